// Buttons that copy the command beside them; without JavaScript they stay hidden.

async function copyText(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    // Pages from http have no clipboard, and a browser may refuse it.
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll(".copy")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(button.parentElement.querySelector("code"))) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
