# Sourced: `phase NAME COMMAND...` runs a command and remembers its seconds; `print_phases` lists them.
# A script that is called by another one adds its phases to the caller's list.
if [ -z "${GPTQ_PHASES:-}" ]; then
  GPTQ_PHASES=$(mktemp)
  export GPTQ_PHASES
  trap 'print_phases; rm -f "$GPTQ_PHASES"' EXIT
fi

phase() {
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n== %s\n' "$name"
  "$@" || status=$?
  printf '%s\t%d\n' "$name" $((SECONDS - start)) >>"$GPTQ_PHASES"
  return $status
}

print_phases() {
  printf '\nseconds  phase\n'
  awk -F '\t' '{ printf "%7d  %s\n", $2, $1; sum += $2 } END { printf "%7d  in all\n", sum }' "$GPTQ_PHASES"
}
