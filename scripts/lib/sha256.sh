# shellcheck shell=bash
# SHA-256 of files or of standard input, as sha256sum writes and checks them; sourced where it is needed.

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
