/**
 * `lguest completions SHELL`: the table of options comes in, a script leaves that teaches the shell to complete them:
 * options, the words and files that are their values, and commands or a kernel's file where they stand.
 *
 * The scripts use nothing but the shells themselves. Nothing of what is offered is a guess about the Guest: a kernel's
 * own words are not completed. Read next: `option_table.ts`.
 *
 * @module
 */
import { COMMANDS, OPTIONS, type OptionSpec, SHELLS } from "./option_table.ts";

/** Memory sizes that are offered where one is due. */
const SIZES = ["64", "128", "256", "512", "1g"];

/** The script for a shell. */
export function completionScript(shell: typeof SHELLS[number]): string {
  return { bash, zsh, fish }[shell]();
}

/** Options with a value of one kind, in words of the `case` patterns of a shell. */
function withValue(filter: (spec: OptionSpec) => boolean): string {
  return OPTIONS.filter((spec) => spec.value && filter(spec)).map(({ name }) => `--${name}`).join("|");
}

/** Every way to write an option. */
function optionWords({ name, letter, value }: OptionSpec): string[] {
  return [`--${name}${value ? "=" : ""}`, ...letter ? [`-${letter}`] : []];
}

/**
 * bash takes words apart at "=" and ":" (COMP_WORDBREAKS): `--initrd=fi` arrives as three words, of which only the last
 * is replaced. The words are put together again first, and what stands before the last one is cut from each answer.
 */
function bash(): string {
  const offers = OPTIONS.filter(({ value }) => value?.offers)
    .map(({ name, value }) => `    --${name}) _lguest_words "${value!.offers!.join(" ")}" ;;`);
  const commands = COMMANDS.filter(({ words }) => words.length > 0)
    .map(({ name, words }) => `    ${name}) _lguest_words "${words.join(" ")}" ;;`);
  return `# bash completion for lguest; use: source <(lguest completions bash)

# Offer those of the words in $1 that begin with $value. bash replaces only what follows its last word break.
_lguest_words() {
  local word cut=\${value%"\${value##*[=:]}"}
  while IFS= read -r word; do
    COMPREPLY+=("\${word#"$cut"}")
  done < <(compgen -W "$1" -- "$value")
  # A value, or the rest of one, is still to come behind these.
  if [[ \${COMPREPLY[0]-} == *[=:] ]]; then compopt -o nospace 2>/dev/null; fi
}

# Offer names of files ($1 is -f) or directories (-d).
_lguest_files() {
  local name typed=\${value//\\\\/}
  local cut=\${typed%"\${typed##*[=:]}"}
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do
    COMPREPLY+=("\${name#"$cut"}")
  done < <(compgen "$1" -- "$typed")
}

# Offer values of the option $1.
_lguest_value() {
  case $1 in
    ${withValue(({ value }) => value?.kind === "file")}) _lguest_files -f ;;
    ${withValue(({ value }) => value?.kind === "directory")}) _lguest_files -d ;;
    ${withValue(({ value }) => value?.kind === "user")}) _lguest_words "$(compgen -u)" ;;
${offers.join("\n")}
  esac
}

_lguest() {
  local -a words=() others=()
  local i word value previous taken=0
  COMPREPLY=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((\${#words[@]} > 0)) && [[ $word == [=:]* || \${words[\${#words[@]} - 1]} == *[=:] ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
  done
  value=\${words[\${#words[@]} - 1]}
  unset "words[\${#words[@]} - 1]"
  for word in "\${words[@]}"; do
    if ((taken)); then
      taken=0
      continue
    fi
    case $word in
      --) return ;;
      ${withValue(() => true)}) taken=1 ;;
      -?*) ;;
      *) others+=("$word") ;;
    esac
    previous=$word
  done
  if ((taken)); then
    _lguest_value "$previous"
    return
  fi
  case $value in
    --*=*)
      previous=\${value%%=*}
      value=\${value#*=}
      _lguest_value "$previous"
      return
      ;;
    -*)
      _lguest_words "${OPTIONS.flatMap(optionWords).join(" ")}"
      return
      ;;
  esac
  case \${#others[@]} in
    0) _lguest_words "${[...COMMANDS.map(({ name }) => name), ...SIZES].join(" ")}" ;;
    1)
      case \${others[0]} in
${commands.map((line) => `    ${line}`).join("\n")}
        ${COMMANDS.filter(({ words }) => words.length === 0).map(({ name }) => name).join("|")}) ;;
        *) _lguest_files -f ;;
      esac
      ;;
  esac
}

complete -F _lguest lguest
`;
}

function zsh(): string {
  const specs = OPTIONS.map((spec) => {
    const { name, letter, value, help } = spec;
    const description = `[${zshText(help)}]`;
    const argument = value ? `:${zshText(value.name)}:${zshAction(value)}` : "";
    const form = `--${name}${value ? "=" : ""}`;
    if (letter) return `    '(-${letter} --${name})'{-${letter},${form}}${quote(description + argument)}`;
    return `    ${quote(`${spec.repeats ? "*" : ""}${form}${description}${argument}`)}`;
  });
  const commands = COMMANDS.map(({ name, help }) => `    ${quote(`${name}:${zshText(help)}`)}`);
  const words = COMMANDS.map(({ name, words }) =>
    `    ${name}) ${words.length > 0 ? `compadd -- ${words.join(" ")}` : "return 1"} ;;`
  );
  return `#compdef lguest
# zsh completion for lguest; use, behind compinit: source <(lguest completions zsh)

_lguest_first() {
  local -a commands=(
${commands.join("\n")}
  )
  _describe -t commands command commands
  compadd -X 'memory, MiB or with a unit' -- ${SIZES.join(" ")}
}

_lguest_second() {
  case $line[1] in
${words.join("\n")}
    *) _files ;;
  esac
}

_lguest() {
  local curcontext=$curcontext state
  local -a line
  _arguments -C -S -s \\
${specs.join(" \\\n")} \\
    '1:memory or command:_lguest_first' \\
    '2:kernel:_lguest_second' \\
    '*:words for the kernel:'
}

# Loaded by compinit from a file of this name, or sourced.
if [[ $funcstack[1] == _lguest ]]; then
  _lguest "$@"
else
  compdef _lguest lguest
fi
`;
}

function zshAction({ kind, offers }: NonNullable<OptionSpec["value"]>): string {
  if (kind === "file") return "_files";
  if (kind === "directory") return "_files -/";
  if (kind === "user") return "_users";
  return offers ? `(${offers.map(zshText).join(" ")})` : "";
}

/** A text between the colons and brackets of a specification. */
function zshText(text: string): string {
  return text.replace(/[\\:[\]]/g, "\\$&");
}

function fish(): string {
  const options = OPTIONS.map(({ name, letter, value, help }) => {
    const parts = [`complete -c lguest -n 'not __lguest_ended' -l ${name}`];
    if (letter) parts.push(`-s ${letter}`);
    if (value) parts.push(fishValue(value));
    return `${parts.join(" ")} -d ${quote(help)}`;
  });
  const commands = COMMANDS.map(({ name, help }) =>
    `complete -c lguest -n '__lguest_at 0' -a ${name} -d ${quote(help)}`
  );
  const words = COMMANDS.map(({ name, words }) =>
    `complete -c lguest -n '__lguest_at 1 ${name}' -a ${quote(words.join(" "))}`
  );
  return `# fish completion for lguest; use: lguest completions fish | source

# The words so far that are neither options nor their values.
function __lguest_words
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${withValue(() => true).replaceAll("|", " ")}
        set skip 1
      case '-?*'
      case '*'
        echo $word
    end
  end
end

# Whether the kernel's own words have begun with a --.
function __lguest_ended
  contains -- -- (commandline -opc)
end

# Whether $argv[1] such words are there, the first of them being $argv[2] if that is given.
function __lguest_at
  __lguest_ended; and return 1
  set -l words (__lguest_words)
  test (count $words) = $argv[1]; or return 1
  test (count $argv) = 1; or test $words[1] = $argv[2]
end

function __lguest_at_kernel
  __lguest_at 1; or return 1
  not contains -- (__lguest_words)[1] ${COMMANDS.map(({ name }) => name).join(" ")}
end

complete -c lguest -e
complete -c lguest -f
${options.join("\n")}
${commands.join("\n")}
complete -c lguest -n '__lguest_at 0' -a '${SIZES.join(" ")}' -d 'memory, MiB or with a unit'
${words.join("\n")}
complete -c lguest -n __lguest_at_kernel -F
`;
}

function fishValue({ kind, offers }: NonNullable<OptionSpec["value"]>): string {
  if (kind === "file") return "-r -F";
  if (kind === "directory") return "-x -a '(__fish_complete_directories)'";
  if (kind === "user") return "-x -a '(__fish_complete_users)'";
  return offers ? `-x -a ${quote(offers.join(" "))}` : "-x";
}

/** A word in the quotes that all three shells have: nothing in them is special but the quote itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
