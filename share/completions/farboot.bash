# bash completion for farboot(1)

_farboot_names() {
    # One name per line: what the list command prints below its title.
    farboot "$1" list 2> /dev/null | awk 'NR > 1 { print $1 }'
}

# Boards that asked to boot and are nobody.
_farboot_discovered() {
    farboot machine discovered 2> /dev/null | awk 'NR > 1 { print $1 }'
}

# What stands in front of a snapshot's name.
_farboot_at() {
    _farboot_names machine | sed 's/$/@/'
}

# Of one machine.
_farboot_snapshots() {
    farboot snapshot list "$1" 2> /dev/null | awk 'NR > 1 { print $1 }'
}

# The options of a command, its settings among them, as its help has them.
_farboot_options() {
    farboot "$@" --help 2> /dev/null | grep -o -- '^  --[a-z-]*'
    echo --help
}

# The settings alone, without their dashes.
_farboot_settings() {
    farboot "$@" --help 2> /dev/null | sed -n '/^Settings/,$s/^  --\([a-z-]*\).*/\1/p'
}

# Of one machine.
_farboot_disks() {
    farboot disk list "$1" 2> /dev/null | awk 'NR > 1 { print $3 }'
}

_farboot() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local noun=${COMP_WORDS[1]-} verb=${COMP_WORDS[2]-} words=

    # bash takes MACHINE@NAME for three words.
    if [[ $cur == @ ]]; then
        COMPREPLY=($(compgen -W "$(_farboot_snapshots "$prev")"))
        return
    fi
    case $noun,$verb,$prev in
    eeprom,*,--image | eeprom,*,--recovery | eeprom,card,card)
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
    esac
    case $prev in
    @) words=$(_farboot_snapshots "${COMP_WORDS[COMP_CWORD - 2]}") ;;
    --image | --as) words=$(_farboot_names image) ;;
    --boot) words="disk folder san" ;;
    --lun) words="1 2 3 4 5 6 7" ;;
    --cloud-init) words="auto on off" ;;
    --config | --socket | --path | --ssh-keys | --run | --user-data)
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
    --for) words="$(_farboot_names machine) $(_farboot_names group)" ;;
    --group) words=$(_farboot_names group) ;;
    --unset) words=$(_farboot_settings "$noun" "$verb") ;;
    --cmdline-add | --cmdline-remove | --name | --mac | --size | --address | --serial | --comment) return ;;
    *)
        case $COMP_CWORD,$noun,$verb in
        1,*) words="serve status session watch image machine group defaults disk eeprom snapshot store rollback help --socket --version --help" ;;
        2,image,*) words="import export capture list show remove --help" ;;
        2,machine,*) words="discovered adopt add list show set replace chap reset remove --help" ;;
        2,group,*) words="add list show set remove --help" ;;
        2,defaults,*) words="show set --help" ;;
        2,disk,*) words="add list set remove --help" ;;
        2,eeprom,*) words="show set push status withdraw card --help" ;;
        3,help,eeprom) words="show set push status withdraw card" ;;
        2,snapshot,*) words="create list remove rename --help" ;;
        2,store,*) words="status check --help" ;;
        2,rollback,*) words=$(_farboot_at) ;;
        2,watch,*) words="$(_farboot_names machine) --json --help" ;;
        2,status,*) words="--json --help" ;;
        2,session,*) words="list --help" ;;
        2,serve,*) words="--config --help" ;;
        2,help,*) words="serve status session watch image machine group defaults disk eeprom snapshot store rollback" ;;
        3,help,image) words="import export capture list show remove" ;;
        3,help,store) words="status check" ;;
        3,help,session) words="list" ;;
        3,help,machine) words="discovered adopt add list show set replace chap reset remove" ;;
        3,help,disk) words="add list set remove" ;;
        3,image,import)
            COMPREPLY=($(compgen -f -- "$cur"))
            return
            ;;
        3,image,export) words="$(_farboot_names image) $(_farboot_names machine) $(_farboot_at)" ;;
        4,image,export)
            COMPREPLY=($(compgen -f -- "$cur"))
            return
            ;;
        3,image,capture) words="$(_farboot_names machine) $(_farboot_at)" ;;
        3,image,show | 3,image,remove) words=$(_farboot_names image) ;;
        3,machine,show | 3,machine,reset | 3,machine,set | 3,machine,replace | 3,machine,chap | 3,machine,remove) words=$(_farboot_names machine) ;;
        3,group,show | 3,group,set | 3,group,remove) words=$(_farboot_names group) ;;
        3,disk,*) words=$(_farboot_names machine) ;;
        4,disk,set | 4,disk,remove) words=$(_farboot_disks "$prev") ;;
        3,eeprom,show | 3,eeprom,set) words="$(_farboot_names machine) $(_farboot_names group) defaults" ;;
        *,eeprom,push) words="$(_farboot_names machine) $(_farboot_names group) --image --json --help" ;;
        *,eeprom,card) words="--image --recovery --for --help" ;;
        3,snapshot,list) words=$(_farboot_names machine) ;;
        3,snapshot,*) words=$(_farboot_at) ;;
        *,disk,add) words="--size --image --writable --read-only --lun --json --help" ;;
        *,disk,set) words="--name --size --read-only --writable --json --help" ;;
        *,disk,remove) words="--force --help" ;;
        *,snapshot,create) words="--comment --help" ;;
        *,store,status) words="--json --help" ;;
        *,store,check) words="--repair --path --json --help" ;;
        *,rollback,*) words="--force --json --help" ;;
        *,image,import) words="--name --new-version --comment --json --help" ;;
        *,image,capture) words="--as --comment --keep-identity --json --help" ;;
        *,machine,reset) words="--to --drop --force --json --help" ;;
        3,machine,adopt) words="--next $(_farboot_discovered)" ;;
        *,machine,chap) words="on mutual off --new-secret --show-secret --force --json --help" ;;
        *,machine,add | *,machine,adopt | *,machine,set | *,group,add | *,group,set | *,defaults,set)
            words=$(_farboot_options "$noun" "$verb")
            ;;
        *,machine,show) words="--user-data --json --help" ;;
        *) words="--json --help" ;;
        esac
        ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    [[ ${COMPREPLY[0]-} == *@ ]] && compopt -o nospace
}

complete -o filenames -F _farboot farboot
