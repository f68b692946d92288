curl --fail "$1"
