#!/bin/sh
# Checks in your own AWS account what docs/operate.md marks "(unconfirmed)". Needs the AWS CLI, version 2 or 1, and nothing else.
#
#   docs/verify-on-aws.sh                     says what it would do, and does nothing
#   docs/verify-on-aws.sh --run               asks, does it, and cleans up
#   docs/verify-on-aws.sh --yes               does it without asking
#   docs/verify-on-aws.sh --region eu-west-1 --profile NAME --stack NAME --keep
#
# Exit status: 0 all facts are as assumed, 1 some are not or could not be seen, 2 it could not be done.
set -u

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0"
}

mode=plan
stack=fluoroscope-verify
keep=no
while [ $# -gt 0 ]; do
  case $1 in
    --run) mode=ask ;;
    --yes) mode=yes ;;
    --keep) keep=yes ;;
    --region | --profile | --stack)
      [ $# -ge 2 ] || { echo "$1: a value is missing" >&2; exit 2; }
      case $1 in
        --region) AWS_REGION=$2 AWS_DEFAULT_REGION=$2; export AWS_REGION AWS_DEFAULT_REGION ;;
        --profile) AWS_PROFILE=$2; export AWS_PROFILE ;;
        --stack) stack=$2 ;;
      esac
      shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "$1: unknown; see --help" >&2; exit 2 ;;
  esac
  shift
done

template=$(dirname "$0")/verify-on-aws.yaml
[ -r "$template" ] || { echo "$template is missing: it belongs beside this script" >&2; exit 2; }
command -v aws > /dev/null || { echo "the AWS CLI (aws) is not installed" >&2; exit 2; }
AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off
export AWS_PAGER AWS_CLI_AUTO_PROMPT

plan() {
  cat << PLAN
In the account and region of your AWS CLI this
  1. creates the CloudFormation stack $stack: a role that may send traces, and three functions
     ($stack-active, $stack-passthrough, $stack-node), which may write no log
  2. invokes them six times; they look at their own sandboxes, and send one trace of one segment to X-Ray
  3. reads these traces back from X-Ray, which keeps them for 30 days
  4. deletes the stack, however it ends
It takes about three minutes and costs less than a cent. It reads and changes nothing else.
PLAN
}

plan
if [ "$mode" = plan ]; then
  echo
  echo "This was a dry run: nothing was done. With --run it is done."
  exit 0
fi
if [ "$mode" = ask ]; then
  printf 'Go on? [y/N] '
  read -r answer || answer=no
  case $answer in
    y | Y | yes) ;;
    *) echo "Nothing was done."; exit 2 ;;
  esac
fi

work=$(mktemp -d) || exit 2
made=no
differing=0
unseen=0

clean() {
  status=$?
  trap - EXIT HUP INT TERM
  if [ "$made" = yes ] && [ "$keep" = yes ]; then
    echo "kept: the stack $stack; delete it with: aws cloudformation delete-stack --stack-name $stack"
  elif [ "$made" = yes ]; then
    echo
    echo "deleting the stack $stack"
    if ! aws cloudformation delete-stack --stack-name "$stack" ||
      ! aws cloudformation wait stack-delete-complete --stack-name "$stack"; then
      echo "the stack $stack could not be deleted: delete it by hand" >&2
      status=2
    fi
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean EXIT
trap 'exit 2' HUP INT TERM

fail() {
  echo "$*" >&2
  exit 2
}

if aws cloudformation describe-stacks --stack-name "$stack" > /dev/null 2>&1; then
  fail "there is a stack $stack already: choose another name with --stack"
fi
echo
echo "creating the stack $stack"
# From here on there may be something to delete, even if the answer is lost.
made=yes
aws cloudformation create-stack --stack-name "$stack" --template-body "file://$template" \
  --capabilities CAPABILITY_IAM > /dev/null || fail "the stack could not be created"
aws cloudformation wait stack-create-complete --stack-name "$stack" || fail "the stack was not completed"

# invoke FUNCTION PAYLOAD: one fact a line into $work/facts, as name=value.
invoke() {
  echo "invoking $stack-$1"
  printf '%s' "$2" > "$work/payload"
  aws lambda invoke --function-name "$stack-$1" --payload "fileb://$work/payload" "$work/answer" > "$work/status" ||
    fail "$stack-$1 could not be invoked"
  if grep -q FunctionError "$work/status" || grep -q errorMessage "$work/answer"; then
    fail "$stack-$1 failed: $(cat "$work/answer")"
  fi
  sed 's/^"//; s/"$//' "$work/answer" | tr ';' '\n' > "$work/facts"
  echo >> "$work/facts"
}

# fact NAME: what the last invocation said of it.
fact() {
  sed -n "s/^$1=//p" "$work/facts"
}

# documents TRACE: its documents into $work/documents, once one of them has $2 in it; X-Ray takes a few seconds.
documents() {
  attempt=0
  : > "$work/documents"
  while [ "$attempt" -lt "${VERIFY_ATTEMPTS:-30}" ]; do
    aws xray batch-get-traces --trace-ids "$1" --query 'Traces[].Segments[].Document' --output text \
      > "$work/documents" 2> /dev/null
    grep -q "$2" "$work/documents" && return 0
    attempt=$((attempt + 1))
    sleep "${VERIFY_PAUSE:-2}"
  done
  return 1
}

# has TEXT: whether one of these documents has it, however JSON is spaced.
has() {
  tr -d ' ' < "$work/documents" | grep -q "$1"
}

# tell NUMBER FACT SEEN AGREES(yes, no or unknown)
tell() {
  case $4 in
    yes) verdict='as assumed' ;;
    no) verdict='NOT AS ASSUMED' differing=$((differing + 1)) ;;
    *) verdict='not seen' unseen=$((unseen + 1)) ;;
  esac
  printf '\n%-4s %s\n     seen: %s\n     %s\n' "$1" "$2" "$3" "$verdict"
}

# is LEFT RIGHT: yes or no.
is() {
  if [ "$1" = "$2" ]; then echo yes; else echo no; fi
}

own=127.0.0.1:2000

invoke node '{}'
node_address=$(fact address)
invoke passthrough '{}'
python_address=$(fact address)
passive_ports="udp $(fact udp), tcp $(fact tcp)"
undecided=$(fact sampled)
invoke active '{}'
active_ports="udp $(fact udp), tcp $(fact tcp)"
root=$(fact root) sampled=$(fact sampled) p=$(fact p) s=$(fact s) w=$(fact w) d=$(fact d)
available=$(fact available) rmem=$(fact rmem)
# The sandbox sends the segment of the first invocation when that has ended.
invoke active '{"send":true}'
lambdas=$(fact lambdas) sent=$(fact sent)
invoke active "{\"invoke\":\"$stack-passthrough\"}"
caller=$(fact d) caller_sampled=$(fact sampled) callee_p=$(fact callee_p) callee_s=$(fact callee_s)

tell V1 "a function's own AWS_XRAY_DAEMON_ADDRESS reaches its code" \
  "python ${python_address:-nothing}, node ${node_address:-nothing}" "$(is "$python_address $node_address" "$own $own")"
tell V2 "port 2000 on loopback is free" "active: $active_ports; passthrough: $passive_ports" \
  "$(is "$active_ports; $passive_ports" 'udp free, tcp free; udp free, tcp free')"
tell V3 "Lambda's own segments do not follow that variable" "${lambdas:-no count of} datagrams of AWS::Lambda" \
  "$(is "$lambdas" 0)"
if [ "$sampled" = 1 ]; then
  style=classic
  if [ "$d" = "$p" ]; then style=current; fi
  announced=no
  if [ -n "$s" ] && [ "$s" = "$p" ] && [ "$w" != "$s" ]; then announced=yes; fi
  tell V4 "with active tracing platform.start announces the function's segment" \
    "P=$p S=$s W=$w D=$d: ids in the $style style" "$announced"
else
  tell V4 "with active tracing platform.start announces the function's segment" "an invocation that was not sampled; run it again" unknown
fi
if [ "$caller_sampled" = 1 ]; then
  passed=no
  if [ -n "$caller" ] && [ "$callee_p" = "$caller" ] && [ -z "$callee_s" ]; then passed=yes; fi
  tell V5 "in PassThrough a sampled caller's header arrives as it was sent" \
    "sent Parent=$caller, arrived P=${callee_p:-none} S=${callee_s:-none}" "$passed"
else
  tell V5 "in PassThrough a sampled caller's header arrives as it was sent" "a caller that was not sampled; run it again" unknown
fi
unsampled=yes
if [ "$undecided" = 1 ]; then unsampled=no; fi
tell V6 "in PassThrough without a caller's header the trace is not sampled" "Sampled=${undecided:-none}" "$unsampled"

echo
echo "reading the traces back, which takes X-Ray up to a minute"
if [ -n "$sent" ] && documents "$sent" fluoroscope_probe; then
  kept=no
  if has '"origin":"AWS::Lambda::Function"' && has '"fluoroscope_probe":true'; then kept=yes; fi
  tell V7 "X-Ray keeps origin and annotations of such segments" "$(cat "$work/documents")" "$kept"
else
  tell V7 "X-Ray keeps origin and annotations of such segments" "no trace ${sent:-at all}" unknown
fi
if [ "$sampled" = 1 ] && documents "$root" 'AWS::Lambda::Function'; then
  form="without Invocation (newer style)"
  if has '"name":"Invocation"'; then form="with Invocation (older style)"; fi
  both=no
  if has '"origin":"AWS::Lambda"' && has '"origin":"AWS::Lambda::Function"'; then both=yes; fi
  tell V8 "X-Ray has both of Lambda's segments of an actively traced invocation" "trace $root, $form" "$both"
else
  tell V8 "X-Ray has both of Lambda's segments of an actively traced invocation" "no trace ${root:-at all}" unknown
fi
readable=no
if [ -n "$available" ]; then readable=yes; fi
tell V9 "memory can be read from /proc/meminfo" "${available:-nothing}; net.core.rmem_max ${rmem:-unreadable}" "$readable"

cat << 'BY_HAND'

V10  SnapStart's credentials endpoint answers after a restore
V11  style of ids on managed instances
V12  durable functions have nothing more than ordinary invocations
V13  variables are measured as JSON, 4,096 bytes at most
     not checked here: they take published snapshots, instances that cost more than a cent, days, or a refused deployment.
     Attach the layer to such a function: for V10 the tally at SHUTDOWN has neither `no_credentials` nor
     `credentials_unavailable` under failures; for V11 and V12 X-Ray's console shows each segment of one request once; for
     V13 the error of a deployment with too many variables quotes what was measured.
BY_HAND
echo
if [ "$differing" -gt 0 ]; then
  echo "$differing of 9 facts are not as assumed: docs/operate.md says what to set, and we would like to know"
fi
if [ "$unseen" -gt 0 ]; then
  echo "$unseen of 9 facts could not be seen: run it again"
fi
if [ "$((differing + unseen))" -gt 0 ]; then
  exit 1
fi
echo "all 9 facts are as docs/operate.md assumes"
