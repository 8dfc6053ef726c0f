#!/bin/sh
# Checks in your own AWS account what docs/operate.md marks "(unconfirmed)". Needs the AWS CLI, version 2 or 1, and nothing else.
#
#   docs/verify-on-aws.sh                     says what it would do, and does nothing
#   docs/verify-on-aws.sh --run               asks, does it, and cleans up
#   docs/verify-on-aws.sh --yes               does it without asking
#   docs/verify-on-aws.sh --region eu-west-1 --profile NAME --stack NAME --keep
#   docs/verify-on-aws.sh --layer ARN         tries the wrapper of this version of the layer (x86_64) as well
#
# Exit status: 0 all facts are as assumed, 1 some are not or could not be seen, 2 it could not be done.
set -u

usage() {
  sed -n '2,10s/^# \{0,1\}//p' "$0"
}

mode=plan
stack=fluoroscope-verify
profile='' region='' layer='' keep=no
while [ $# -gt 0 ]; do
  case $1 in
    --run) mode=ask ;;
    --yes) mode=yes ;;
    --keep) keep=yes ;;
    --region | --profile | --stack | --layer)
      [ $# -ge 2 ] || { echo "$1: a value is missing" >&2; exit 2; }
      case $1 in
        --region) region=$2 ;;
        --profile) profile=$2 ;;
        --stack) stack=$2 ;;
        --layer) layer=$2 ;;
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

# ask WORDS...: the AWS CLI. As words of each call: AWS_PROFILE would give way to AWS_ACCESS_KEY_ID where both are set.
ask() {
  aws ${profile:+--profile "$profile"} ${region:+--region "$region"} "$@"
}

fail() {
  echo "$*" >&2
  exit 2
}

plan() {
  cat << PLAN
In $1 this
  1. creates the CloudFormation stack $stack: a role that may send traces, and functions
     ($stack-active, $stack-passthrough, $stack-node, $stack-clock${layer:+, $stack-wrapped}), which may write no log
  2. invokes them once to four times each; they look at their own sandboxes, and send one trace of two segments to X-Ray
  3. reads these traces back from X-Ray, which keeps them for 30 days
  4. deletes the stack, however it ends
It takes about three minutes and costs less than a cent. It reads and changes nothing else.
PLAN
}

if [ "$mode" = plan ]; then
  plan "the account and region of your AWS CLI"
  echo
  echo "This was a dry run: nothing was done. With --run it is done."
  exit 0
fi
account=$(ask sts get-caller-identity --query Account --output text) ||
  fail "whose account it is could not be told: give the CLI credentials, or --profile"
if [ -z "$region" ]; then
  # What is printed is what is used from here on.
  region=$(ask configure list | sed -n 's/^ *region[ :]*\([a-z0-9-]*\).*/\1/p')
fi
[ -n "$region" ] || fail "the CLI has no region: give one with --region"
plan "account $account, region $region,"
if [ "$mode" = ask ]; then
  printf 'Go on? [y/N] '
  read -r answer || answer=no
  case $answer in
    y | Y | yes) ;;
    *) echo "Nothing was done."; exit 2 ;;
  esac
fi

work=$(mktemp -d) || exit 2
stack_id=''
told=0 differing=0 unseen=0

clean() {
  status=$?
  trap - EXIT HUP INT TERM
  words="${profile:+--profile $profile }--region $region"
  if [ -n "$stack_id" ] && [ "$keep" = yes ]; then
    echo "kept: the stack $stack; delete it with: aws $words cloudformation delete-stack --stack-name $stack_id"
  elif [ -n "$stack_id" ]; then
    echo
    echo "deleting the stack $stack"
    # By its id: another stack may have the name by now.
    if ! ask cloudformation delete-stack --stack-name "$stack_id" ||
      ! ask cloudformation wait stack-delete-complete --stack-name "$stack_id"; then
      echo "the stack $stack_id could not be deleted: delete it by hand" >&2
      status=2
    fi
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean EXIT
trap 'exit 2' HUP INT TERM

if said=$(ask cloudformation describe-stacks --stack-name "$stack" 2>&1); then
  fail "there is a stack $stack already: choose another name with --stack"
fi
case $said in
  *ValidationError*"does not exist"*) ;;
  *) fail "whether there is a stack $stack already could not be told: $said" ;;
esac
echo
echo "creating the stack $stack"
# Not to be interrupted: the answer says what is ours to delete. The token makes the CLI's own second try harmless.
stack_id=$(
  trap '' HUP INT TERM
  ask cloudformation create-stack --stack-name "$stack" --template-body "file://$template" \
    --parameters "ParameterKey=Layer,ParameterValue=$layer" --capabilities CAPABILITY_IAM --client-request-token "$stack-$(date +%s)-$$" --query StackId --output text
) || { stack_id=''; fail "the stack could not be created; a stack $stack, should there be one now, is left alone: look whose it is"; }
case $stack_id in
  arn:*) ;;
  *) stack_id=''; fail "the stack was made, but not its id told: delete the stack $stack by hand" ;;
esac
ask cloudformation wait stack-create-complete --stack-name "$stack_id" || fail "the stack was not completed"

# invoke FUNCTION PAYLOAD: one fact a line into $work/facts, as name=value.
invoke() {
  echo "invoking $stack-$1"
  printf '%s' "$2" > "$work/payload"
  ask lambda invoke --function-name "$stack-$1" --payload "fileb://$work/payload" "$work/answer" > "$work/status" ||
    fail "$stack-$1 could not be invoked"
  if grep -q FunctionError "$work/status" || grep -q errorMessage "$work/answer"; then
    fail "$stack-$1 failed: $(cat "$work/answer")"
  fi
  sed 's/^"//; s/"$//' "$work/answer" | tr ';' '\n' > "$work/facts"
  echo >> "$work/facts"
}

# fact NAME: what the last invocation said of it: nothing if it did not look, `none` if it looked and there was nothing.
fact() {
  sed -n "s/^$1=//p" "$work/facts"
}

# documents TRACE TEXT...: its documents into $work/documents, once these texts are in them; X-Ray takes a few seconds.
documents() {
  trace=$1 attempt=0
  shift
  : > "$work/documents"
  while [ "$attempt" -lt "${VERIFY_ATTEMPTS:-30}" ]; do
    ask xray batch-get-traces --trace-ids "$trace" --query 'Traces[].Segments[].Document' --output text \
      > "$work/documents" 2> /dev/null
    has "$@" && return 0
    attempt=$((attempt + 1))
    sleep "${VERIFY_PAUSE:-2}"
  done
  return 1
}

# has TEXT...: whether these documents have them all, however JSON is spaced.
has() {
  for text; do
    tr -d ' ' < "$work/documents" | grep -q "$text" || return 1
  done
}

# tell NUMBER FACT SEEN AGREES(yes, no or unknown)
tell() {
  told=$((told + 1))
  case $4 in
    yes) verdict='as assumed' ;;
    no) verdict='NOT AS ASSUMED' differing=$((differing + 1)) ;;
    *) verdict='not seen' unseen=$((unseen + 1)) ;;
  esac
  printf '\n%-4s %s\n     seen: %s\n     %s\n' "$1" "$2" "$3" "$verdict"
}

# seen FACT...: whether there is something of each.
seen() {
  for one; do
    [ -n "$one" ] || return 1
  done
}

# is LEFT RIGHT: yes or no.
is() {
  if [ "$1" = "$2" ]; then echo yes; else echo no; fi
}

own=127.0.0.1:2000

invoke node '{}'
node_address=$(fact address)
invoke passthrough '{}'
python_address=$(fact address) passive_udp=$(fact udp) passive_tcp=$(fact tcp) undecided=$(fact sampled)
invoke active '{}'
udp=$(fact udp) tcp=$(fact tcp) root=$(fact root) sampled=$(fact sampled)
p=$(fact p) s=$(fact s) w=$(fact w) d=$(fact d) available=$(fact available) rmem=$(fact rmem)
# The sandbox sends the segment of the first invocation when that has ended.
invoke active '{"send":true}'
lambdas=$(fact lambdas) sent=$(fact sent)
invoke active "{\"invoke\":\"$stack-passthrough\"}"
caller=$(fact d) caller_sampled=$(fact sampled) callee_p=$(fact callee_p) callee_s=$(fact callee_s)

invoke clock '{}'
first=$(fact first) again=$(fact again) total=$(fact total) configured=$(fact configured)
# Long enough for Lambda to freeze the sandbox.
sleep "${VERIFY_PAUSE:-2}"
invoke clock '{}'
wall=$(fact wall) monotonic=$(fact monotonic)
if [ -n "$layer" ]; then
  invoke wrapped '{}'
  wrapped=$(fact address)
fi

agrees=unknown
if seen "$python_address" "$node_address"; then agrees=$(is "$python_address $node_address" "$own $own"); fi
tell V1 "a function's own AWS_XRAY_DAEMON_ADDRESS reaches its code in Python and Node.js" \
  "python ${python_address:-nothing}, node ${node_address:-nothing}" "$agrees"

agrees=unknown
if seen "$udp" "$tcp" "$passive_udp" "$passive_tcp"; then
  agrees=$(is "$udp $tcp $passive_udp $passive_tcp" 'free free free free')
fi
tell V2 "port 2000 on loopback is free" \
  "active: udp ${udp:-unknown}, tcp ${tcp:-unknown}; passthrough: udp ${passive_udp:-unknown}, tcp ${passive_tcp:-unknown}" "$agrees"

# Only what listens can receive, only sampled invocations have segments, and only a sandbox that was used before has sent one.
agrees=unknown
if [ "$udp" = free ] && [ "$sampled" = 1 ] && seen "$lambdas"; then agrees=$(is "$lambdas" 0); fi
tell V3 "Lambda's own segments do not follow that variable" \
  "${lambdas:-no count of} datagrams of AWS::Lambda; udp ${udp:-unknown}, Sampled=${sampled:-none}" "$agrees"

agrees=unknown style=classic
if [ "$sampled" = 1 ] && seen "$p" "$s" "$w" "$d"; then
  if [ "$d" = "$p" ]; then style=current; fi
  agrees=no
  if [ "$s" != none ] && [ "$s" = "$p" ] && [ "$w" != "$s" ]; then agrees=yes; fi
fi
tell V4 "with active tracing platform.start announces the function's segment" \
  "Sampled=${sampled:-none} P=$p S=$s W=$w D=$d: ids in the $style style" "$agrees"

agrees=unknown
if [ "$caller_sampled" = 1 ] && seen "$caller" "$callee_p" "$callee_s"; then
  agrees=$(is "$callee_p $callee_s" "$caller none")
fi
tell V5 "in PassThrough a sampled caller's header arrives as it was sent" \
  "sent Sampled=${caller_sampled:-none} Parent=$caller, arrived P=$callee_p S=$callee_s" "$agrees"

agrees=unknown
case $undecided in
  0) agrees=yes ;;
  1) agrees=no ;;
esac
tell V6 "in PassThrough without a caller's header the trace is not sampled" "Sampled=${undecided:-none}" "$agrees"

echo
echo "reading the traces back, which takes X-Ray up to a minute"
agrees=unknown seen="no trace ${sent:-at all}"
if [ -n "$sent" ] && documents "$sent" fluoroscope_probe; then
  agrees=no seen=$(cat "$work/documents")
  if has '"origin":"AWS::Lambda::Function"' '"fluoroscope_probe":true'; then agrees=yes; fi
fi
tell V7 "X-Ray keeps origin and annotations of such segments" "$seen" "$agrees"

agrees=unknown seen="no trace ${sent:-at all}"
if [ -n "$sent" ] && documents "$sent" '"origin":"AWS::Lambda"'; then
  agrees=yes seen="the document, without the annotation"
  if has '"aws:probe":true'; then seen="the document, with the annotation"; fi
elif [ -n "$sent" ] && has fluoroscope_probe; then
  agrees=no seen="no such document"
fi
tell V14 "X-Ray takes a document with origin AWS::Lambda and an annotation aws:... from a customer" "$seen" "$agrees"

agrees=unknown seen="no trace ${root:-at all}"
if [ "$sampled" = 1 ] && [ -n "$root" ]; then
  if documents "$root" '"origin":"AWS::Lambda"' '"origin":"AWS::Lambda::Function"'; then
    agrees=yes
  elif has AWS::Lambda; then
    agrees=no
  fi
  form="without Invocation (newer style)"
  if has '"name":"Invocation"'; then form="with Invocation (older style)"; fi
  if [ "$agrees" != unknown ]; then seen="trace $root, $form"; fi
fi
tell V8 "X-Ray has both of Lambda's segments of an actively traced invocation" "$seen" "$agrees"

agrees=unknown
if seen "$available" "$rmem"; then
  agrees=no
  if [ "$available" != none ] && [ "$rmem" != none ] && [ "$rmem" -ge 212992 ]; then agrees=yes; fi
fi
tell V9 "memory can be read from /proc/meminfo, and the receive buffer may be 208 KiB" \
  "${available:-nothing}; net.core.rmem_max ${rmem:-unknown}" "$agrees"

agrees=unknown
if seen "$wall" "$monotonic"; then
  agrees=no
  # Two clocks are not read at once.
  if [ "$monotonic" -ge 0 ] && [ "$monotonic" -le $((wall + 100)) ]; then agrees=yes; fi
fi
tell V15 "over a freeze CLOCK_MONOTONIC does not run ahead" \
  "${wall:-unknown} ms between two invocations, ${monotonic:-unknown} of them on that clock" "$agrees"

agrees=unknown
if seen "$total" "$configured"; then
  agrees=no
  if [ "$total" != none ] && [ $((total * 2)) -ge "$configured" ] && [ "$total" -le $((configured * 2)) ]; then agrees=yes; fi
fi
tell V16 "MemTotal is near the configured size" "${total:-unknown} MB of ${configured:-unknown} MB" "$agrees"

agrees=unknown
if [ "$first" = 200 ] && seen "$again"; then agrees=$(is "$again" 200); fi
tell V17 "a second subscription to telemetry is taken" "first ${first:-unknown}, second ${again:-unknown}" "$agrees"

if [ -n "$layer" ]; then
  agrees=unknown
  if seen "$wrapped"; then agrees=$(is "$wrapped" "$own"); fi
  tell V18 "the layer's wrapper sets AWS_XRAY_DAEMON_ADDRESS" "python ${wrapped:-nothing}" "$agrees"
else
  printf '\n%s\n%s\n' "V18  the layer's wrapper sets AWS_XRAY_DAEMON_ADDRESS" \
    "     not looked at: it is with --layer and the ARN of a version of your layer for x86_64"
fi

cat << 'BY_HAND'

V10  SnapStart's credentials endpoint answers after a restore
V11  style of ids on managed instances
V12  durable functions have nothing more than ordinary invocations
V13  variables are measured as JSON, 4,096 bytes at most
V19  an asynchronous invocation has one AWS::Lambda, under which each attempt has its AWS::Lambda::Function
V20  an invocation that timed out or ran out of memory has an AWS::Lambda::Function with a fault
V21  telemetry that is dropped is announced as platform.logsDropped
     not checked here: they take published snapshots, instances that cost more than a cent, days, a refused deployment,
     retries over minutes, or functions that fail.
     Attach the layer to such a function: for V10 the tally at SHUTDOWN has neither `no_credentials` nor
     `credentials_unavailable` under failures; for V11 and V12 X-Ray's console shows each segment of one request once; for
     V13 the error of a deployment with too many variables quotes what was measured; for V19
     `aws lambda invoke --invocation-type Event` a function that throws, and look at its trace after three minutes; for V20 let one
     sleep beyond its timeout, and one fill its memory; for V21 let one write 100 MB of log at once: where records are missing,
     the extension logs `Lambda dropped telemetry records`.
BY_HAND
echo
if [ "$differing" -gt 0 ]; then
  echo "$differing of $told facts are not as assumed: docs/operate.md says what to set, and we would like to know"
fi
if [ "$unseen" -gt 0 ]; then
  echo "$unseen of $told facts could not be seen: run it again"
fi
if [ "$((differing + unseen))" -gt 0 ]; then
  exit 1
fi
echo "all $told facts are as docs/operate.md assumes"
