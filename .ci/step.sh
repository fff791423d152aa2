# Sourced by .ci/run and .ci/nightly: step COMMAND... runs a command, and says how long it took, and how many CPU minutes
# its processes used, as docs/architecture.md lists them.
step() {
  echo "== $*"
  local begun=$SECONDS before
  read_cpu
  before=$cpu
  "$@" || return
  read_cpu
  echo "== $* took $((SECONDS - begun)) s, $(awk "BEGIN { printf \"%.1f\", ($cpu - $before) / 60 }") CPU minutes"
}

# In a pipeline or in $(...), `times` would be that of another shell.
read_cpu() {
  local file=${TMPDIR:-/tmp}/times.$BASHPID
  times >"$file"
  cpu=$(awk 'NR == 2 { split($1, user, "m"); split($2, kernel, "m")
    print 60 * (user[1] + kernel[1]) + user[2] + kernel[2] }' "$file")
  rm "$file"
}
