/** Line that tells a script to add file names. No candidate is equal to it. */
export const FILES_MARKER = '/'

const bash = `# Put this line into ~/.bashrc:  source <(bywash completion bash)
_bywash() {
  local word
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    if [[ $word == ${FILES_MARKER} ]]; then compopt -o default; else COMPREPLY+=("$word"); fi
  done < <(bywash completion bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _bywash bywash
`

const zsh = `#compdef bywash
# Put this line into ~/.zshrc, behind compinit:  source <(bywash completion zsh)
_bywash() {
  local line files
  local -a found
  while IFS= read -r line; do
    if [[ $line == ${FILES_MARKER} ]]; then files=yes; else found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"); fi
  done < <(bywash completion zsh -- "\${(@)words[2,CURRENT]}" 2> /dev/null)
  _describe bywash found
  if [[ -n $files ]]; then
    [[ $PREFIX != --*=* ]] || compset -P 1 '*='
    _files
  fi
}
compdef _bywash bywash
`

const fish = `# Write this to a file:  bywash completion fish > ~/.config/fish/completions/bywash.fish
function __bywash_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in (bywash completion fish -- $words[2..-1] "$current" 2> /dev/null)
    if test "$line" = ${FILES_MARKER}
      set -l flag (string match -r -- '^--[^=]+=' "$current")
      for path in (__fish_complete_path (string replace -r -- '^--[^=]+=' '' "$current"))
        echo "$flag$path"
      end
    else
      echo $line
    end
  end
end
complete -c bywash -f -a '(__bywash_complete)'
`

/** The scripts that `bywash completion SHELL` prints, by shell. Each calls `bywash completion SHELL -- WORD…`. */
export const COMPLETION_SCRIPTS = { bash, zsh, fish } as const

export type Shell = keyof typeof COMPLETION_SCRIPTS
