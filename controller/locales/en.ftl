# What the command line of `sanaga` says, in English. Failures are in proto/locales.

next = Next: { $command }
yes-no = y/N
never = never
ago = { $time } ago
time-left = { $time } left

passphrase-new = Passphrase for your signing key (12 characters or more)
passphrase-new-named = Passphrase for the signing key of { $name } (12 characters or more)
passphrase-again = Again
passphrase-for = Passphrase for { $name }
passphrase-differs = the two passphrases differ; nothing was changed

init-created = Created { $path }
init-key = {"  "}signing key   keys/{ $name }.age        copy it to a USB stick today; it cannot be recovered
init-ci = {"  "}build key     keys/{ $name }.age        for your build system; it signs dev and nothing else
init-environments = {"  "}environments  dev, staging, production   { $people ->
        [one] one signature each
       *[many] one, one and two signatures
    }
init-root = {"  "}root          sha256 { $digest }
init-trying = Good for trying out. Before production: { $missing } more key { $missing_form ->
        [one] holder
       *[other] holders
    }, threshold 2 (`sanaga doctor`).

serving = Serving { $url }   { $nodes } { $nodes_form ->
        [one] node
       *[other] nodes
    }, { $releases } { $releases_form ->
        [one] release
       *[other] releases
    }
serve-stopped = Stopped; nothing is lost.

token-valid = Valid once, until { $until }. On the node: sudo sanaga-agent enroll TOKEN

reading = Reading
packing = Packing
packed = Packing   { $files }/{ $files } files  { $from } → { $to }  { $time }
tree-size = { $files } files, { $size }
from-nothing = from nothing
from-version = from { $version }
nothing-published = Nothing was published.
published = Published { $release } in { $environment }   root { $root }   counter { $counter }
already-published = { $release } is in { $environment } already   counter { $counter }
runs-nowhere = No node runs it yet. Next: { $command }
runs-somewhere = { $count } { $count_form ->
        [one] node runs
       *[other] nodes run
    } it. Next: { $command }
patch-made = Patch     from { $version }  { $bytes }  { $time }
patch-useless = Patch     from { $version }  { $bytes }, not smaller than the full pack; not offered

head-node = NODE
head-from = FROM
head-download = DOWNLOAD
head-cost = COST
head-site = SITE
head-nodes = NODES
head-live = LIVE
head-environment = ENVIRONMENT
head-environments = ENVIRONMENTS
head-contact = CONTACT
head-heard = HEARD
head-apps = APPS
head-app = APP
head-runs = RUNS
head-assigned = ASSIGNED
head-evidence = EVIDENCE
head-phase = PHASE
head-code = CODE
head-release = RELEASE
head-files = ENTRIES
head-size = SIZE
head-pack = FULL PACK
head-published = PUBLISHED
head-by = BY
head-role = ROLE
head-threshold = NEEDS
head-version = VERSION
head-expires = EXPIRES
head-keys = KEYS

download-full = (full: { $bytes })
by-patch = patch
by-full-pack = full pack
assign-question = Assign to { $count } { $count_form ->
        [one] node
       *[other] nodes
    }?
assign-nothing = Nothing was assigned.
assigned-one = Assigned, generation { $generation }. { $node } polls within { $seconds } ({ $environment }). Follow: sanaga node show { $node } --watch
assigned-many = Assigned to { $count } nodes. They poll within { $seconds }. Follow: sanaga node show { $node } --watch

setting-set = { $app } { $name } = { $value } for { $to }
setting-unset = { $app } { $name } is no longer set for { $to }
setting-dry = { $app } { $name } = { $value } for { $to }: nothing was changed
setting-nobody = No node changes now.
setting-nodes = { $count } { $count_form ->
        [one] node gets a new generation: { $names }
       *[other] nodes get a new generation: { $names }
    }

hold-on = Updates are stopped ({ $scope }), hold { $number }. What runs goes on running.
hold-was-on = Updates were stopped already ({ $scope }), hold { $number }.
hold-off = Updates go on ({ $scope }), hold { $number } ended it.
hold-was-off = No hold stops { $scope }.

key-made = Key { $name }   { $id }   copy its file to a USB stick today; it cannot be recovered
key-online = the server's own
keys-unused = In no role: { $names }

role-unchanged = Nothing changes.
role-current = { $role } version { $version } is signed and current.
role-whole = { $role } version { $version } has all signatures, and becomes current with the next version of targets.
role-waits = { $role } version { $version } has { $have } of { $need } signatures.
waits-for = It waits for: { $names }
sign-again = { $role } must be signed again, because its keys changed.
signatures-void = { $count } { $count_form ->
        [one] signature
       *[other] signatures
    } on the pending version of { $role }: void now, because it was rebuilt.
pending-nothing = Nothing waits for a signature.
pending-role = { $role } version { $version }   { $have } of { $need } signatures   signed by { $by }   may still sign: { $names }

contact-live = live
contact-late = late
contact-dark = dark
contact-revoked = revoked
evidence-none = none
evidence-claimed = claimed
evidence-receipted = receipted
node-head = { $node }   site { $site }, { $environment }   { $contact }, heard { $heard }   generation { $generation }
node-held = A hold stops its updates.
node-receipts-problem = Its last receipts were not taken: { $problem }
revoke-question = Refuse the key of { $node } from now on?
revoked = The key of { $node } is refused from now on. What it runs goes on running.

phase-fetching = fetching
phase-probation = probation
event-booted = booted
event-enrolled = enrolled
event-staged = staged
event-activated = activated
event-committed = committed
event-rolled_back = rolled back
event-refused = refused
event-superseded = superseded
event-held = held
event-operator_action = operator
event-alarm = alarm
event-needs_hands = needs hands
event-migrated = data migrated
watch-bytes = { $done } of { $all }
watch-fetching = begins
watch-probation = { $seconds } left, { $probes } { $probes_form ->
        [one] probe
       *[other] probes
    }
watch-staged = verified, root { $root }
watch-committed = receipt #{ $number } signed by { $node }
watch-receipt = receipt #{ $number }
watch-runs = { $release } runs on { $node }.
watch-received = Received { $bytes }, { $twice } MB of it twice.

release-show = { $release }   { $environments }
    {"  "}risk       { $risk }
    {"  "}content    { $files } entries, { $size }; full pack { $pack }
    {"  "}tree root  { $root }
    {"  "}manifest   { $manifest }
    {"  "}runs on    { $nodes } { $nodes_form ->
        [one] node
       *[other] nodes
    }
    {"  "}published  { $published } by { $by }
rehearsal-done = {"  "}migration  rehearsed in { $environment }: committed, and rolled back
rehearsal-missing = {"  "}migration  { $environment } has not shown: { $missing }
rehearsal-commit = a committed migration
rehearsal-rollback = a roll back of it

bundle-written = Wrote { $path }   { $bytes }, { $count } files
bundle-not-assigned = { $node } is not assigned { $release }, and will not install it from this bundle.
bundle-next = On the node: sudo sanaga-agent install --from { $path }

doctor-well = All is as it should be.
doctor-backup = Keys that must also be on a USB stick: { $names }
doctor-expired = EXPIRED   { $role } expired on { $day }: sanaga role renew { $role }
doctor-expires = soon      { $role } expires on { $day }: sanaga role renew { $role }
doctor-weak = roles     { $role } needs { $threshold } of { $keys } keys; before production { $threshold_wanted } of { $keys_wanted } or more: sanaga role set { $role } --threshold { $threshold_wanted } --key …
doctor-shared = roles     { $role } is signed with a key of root; before production give it one of its own: sanaga role set { $role } --threshold 1 --key …
doctor-audit = AUDIT     the log does not fit together from entry { $number } on: somebody changed it
doctor-waiting = waiting   { $role } waits for { $missing } more { $missing_form ->
        [one] signature
       *[other] signatures
    }: sanaga sign { $role }

usage-unknown-argument = unknown argument `{ $argument }`
usage-unknown-command = unknown command `{ $argument }`
usage-missing = { $argument } is missing
usage-bad-value = `{ $value }` is not a valid value for { $argument }
usage-conflict = { $argument } cannot be used with { $other }
usage-no-command = a command is missing
usage-other = { $text }
usage-near = ; did you mean `{ $near }`?
