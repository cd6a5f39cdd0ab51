#!/usr/bin/env bash
# The tutorial's load test: loadtest.sh [URL]   (default http://localhost:8080)
#
# Checks the server's health, sends 1,000 requests over 10 connections, and reads its memory back.

set -euo pipefail

url=${1:-http://localhost:8080}
url=${url%/}

missing=()
for tool in curl ab jq; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "loadtest: missing: ${missing[*]} (Debian: curl, apache2-utils for ab, jq; macOS has curl and ab, brew has jq)" >&2
  exit 1
fi

echo "Server: $url"
if ! curl -fsS --max-time 10 "$url/health"; then
  echo "loadtest: no healthy server at $url; 'make run' starts one" >&2
  exit 1
fi
echo

# -l: the answer tells the uptime, so its length varies.
echo "ApacheBench, a connection per request:"
ab -q -l -n 1000 -c 10 "$url/"
echo "ApacheBench, connections kept alive:"
ab -q -l -k -n 1000 -c 10 "$url/"

echo "Memory in MB:"
curl -fsS "$url/" | jq .memory_mb
