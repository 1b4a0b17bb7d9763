#!/usr/bin/env bash
# Invokes each function of template.yaml once by `sam local invoke`, which runs it in a container.
#
# The functions need their stores. They find them in the local cloud, so start that one first:
#
#   cargo local up --detach
#   sam build --parameter-overrides Architecture=x86_64       # arm64 on an Arm machine
#   infra/local/sam-local-invoke.sh
#
# --template FILE    the built template; default: .aws-sam/build/template.yaml
# --region REGION    the region of the local cloud; default: us-east-1
# --install-docker   install Docker from Debian's packages and start it if needed (as root)
#
# The container image is pulled from the public registry of AWS. Where that registry cannot be
# reached, a minimal Debian takes its place: Rust functions need nothing but the C library, and the
# Runtime Interface Emulator is part of the SAM CLI.
set -euo pipefail
cd "$(dirname "$0")/../.."

template=.aws-sam/build/template.yaml
region=us-east-1
install=false
while [ $# -gt 0 ]; do
  case $1 in
    --template) template=$2 && shift 2 ;;
    --region) region=$2 && shift 2 ;;
    --install-docker) install=true && shift ;;
    *) echo "unknown argument: $1" >&2 && exit 2 ;;
  esac
done

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*" && exit 1; }

started=()
work=$(mktemp -d)
finish() {
  for id in ${started[@]+"${started[@]}"}; do kill "$id" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

[ -f "$template" ] || fail "there is no $template; run \`sam build\` first"

say "Reading the addresses of the local cloud (cargo may have to compile first)"
exports=$(cargo local env --region "$region") || fail "the local cloud is not running; start it with \`cargo local up --detach\`"
python=$PWD/.local/python/tools/bin/python
sam=$PWD/.local/python/tools/bin/sam
# SAM prefers a variable of the shell to the same variable of the template, and the addresses in the
# shell are not those that a container reaches. So SAM does not see them.
hidden=()
while read -r name; do
  case $name in
    PATH | AWS_ACCESS_KEY_ID | AWS_SECRET_ACCESS_KEY) ;;
    *) hidden+=(-u "$name") ;;
  esac
done < <(sed -n 's/^export \([A-Z_]*\)=.*/\1/p' <<<"$exports")
eval "$exports"

if ! docker info >/dev/null 2>&1; then
  $install || fail "Docker does not answer; start it, or run this script with --install-docker as root"
  if ! command -v dockerd >/dev/null; then
    say "Installing Docker (usually a minute)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null
  fi
  say "Starting Docker (usually some seconds)"
  dockerd >"$work/dockerd.log" 2>&1 &
  started+=($!)
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && break
    sleep 1
  done
  docker info >/dev/null 2>&1 || { tail -n 5 "$work/dockerd.log" >&2 && fail "dockerd does not answer"; }
fi

case $(uname -m) in
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=x86_64 ;;
esac
image=public.ecr.aws/lambda/provided:al2023-$architecture
if ! docker image inspect "$image" >/dev/null 2>&1; then
  say "Getting the image $image"
  if ! docker pull --quiet "$image" >/dev/null 2>&1; then
    say "It cannot be pulled. Making one from Debian instead (usually two minutes)"
    if ! command -v debootstrap >/dev/null; then
      $install || fail "debootstrap is missing: install it, or run this script with --install-docker as root"
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
    fi
    debootstrap --variant=minbase --include=ca-certificates stable "$work/root" >"$work/debootstrap.log" 2>&1 ||
      { tail -n 5 "$work/debootstrap.log" >&2 && fail "Debian could not be installed into a folder"; }
    tar -C "$work/root" -c . | docker import \
      --change 'WORKDIR /var/task' \
      --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' \
      --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
      - "$image" >/dev/null
  fi
fi

# The servers of the local cloud listen on the loopback interface, which a container does not share.
# A forwarder listens on Docker's own interface instead and passes everything on.
subnet=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}')
# Docker's own address is the first one of its network.
gateway=$("$python" -c 'import ipaddress, sys; print(next(ipaddress.ip_network(sys.argv[1]).hosts()))' "$subnet")
built=$(dirname "$template")/sam-local-invoke.yaml
ports=$("$python" infra/local/python/running_template.py "$template" "$gateway" "$built")
# shellcheck disable=SC2086 # one argument per port
"$python" infra/local/python/forward.py "$gateway" $ports &
started+=($!)

failed=0
# invoke FUNCTION EVENT EXPECTED: the answer has to match the pattern.
invoke() {
  local function=$1 event=$2 expected=$3 reply
  say "$function <- events/$event"
  if reply=$(env "${hidden[@]}" SAM_CLI_TELEMETRY=0 "$sam" local invoke "$function" --event "events/$event" \
    --template "$built" --region "$region" --skip-pull-image \
    --parameter-overrides "Architecture=$architecture" 2>"$work/log") && [[ $reply =~ $expected ]]; then
    printf '  %s\n' "${reply:0:200}"
  else
    failed=$((failed + 1))
    printf '  FAILED: %s\n' "$reply"
    tail -n 15 "$work/log" >&2
  fi
}

none_failed='"batchItemFailures": ?\[\]'
invoke Api api/submit.json '"statusCode": ?20[02]'
invoke SummarizeExpress summarize/one.json "$none_failed"
invoke SummarizeStandard summarize/one.json "$none_failed"
invoke SummarizeBulk summarize/batch.json "$none_failed"
invoke Redrive redrive/schedule.json '"bulk": ?[0-9]'
invoke Maintain maintain/migrate.json '"schema": ?[0-9]'
invoke Canary canary/probe.json '"summaries": ?\['
invoke Prescale prescale/dry-run.json '"dry_run": ?true'
[ "$failed" = 0 ] || fail "$failed of 8 functions failed"
say "All 8 functions answered."
