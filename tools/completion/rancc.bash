# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion of rancc's programs: options as their --help lists them, else files.
_rancc() {
    local cur=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} options
    COMPREPLY=()
    case $cur in
    -*)
        options=$("$program" --help 2>/dev/null | grep -oE -e '^ +(-[[:alnum:]], +)?--[a-z][-a-z]*=?' |
            grep -oE -e '--[a-z][-a-z]*=?')
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
        ;;
    *)
        if [[ $program == *ran-design && $COMP_CWORD -eq 1 ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'list build' -- "$cur")
        elif [[ $program == *ran-search && $COMP_CWORD -eq 1 ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'hant ilp latency layers pool' -- "$cur")
        elif [[ $program == *ran-design && $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == build ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$("$program" list 2>/dev/null | awk '{print $1}')" \
                -- "$cur")
        fi
        ;;
    esac
}
complete -o default -F _rancc rancc ran-design ran-opt ran-run ran-search ran-stat ran-train
