// From numbers to positions on the chart, and the numbers beside its grid lines.

/** A scale {place(number), ticks} for numbers, between two positions in pixels. */
function scaleOf(numbers, isLogarithmic, from, to) {
  return isLogarithmic && Math.min(...numbers) > 0 ? logarithmic(numbers, from, to) : linear(numbers, from, to);
}

function linear(numbers, from, to) {
  const [least, largest] = [Math.min(...numbers), Math.max(...numbers)];
  const room = (largest - least || Math.abs(largest) || 1) * 0.08;
  const [low, high] = [least >= 0 ? Math.max(0, least - room) : least - room, largest + room];
  const step = niceStep((high - low) / 6);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return { ticks, place: (number) => from + ((number - low) / (high - low)) * (to - from) };
}

function logarithmic(numbers, from, to) {
  const logs = numbers.map(Math.log10);
  const [least, largest] = [Math.min(...logs), Math.max(...logs)];
  const room = Math.max((largest - least) * 0.06, 0.05);
  const [low, high] = [least - room, largest + room];
  const steps = high - low > 3 ? [1] : high - low > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const step of steps) {
      const tick = step * 10 ** power;
      if (Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(Number(tick.toPrecision(3)));
    }
  }
  return { ticks, place: (number) => from + ((Math.log10(number) - low) / (high - low)) * (to - from) };
}

/** 1, 2 or 5 times a power of ten, not below a number. */
function niceStep(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= number * 0.999);
}
