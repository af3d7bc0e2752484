# What every failure code says, in English. The ids are in proto/src/code.rs.

error-word = error
hint-word = hint
bad-usage = { $problem }
    .hint = see the command's --help
config-unreadable = { $path } cannot be read: { $problem }
    .hint = check the path and its permissions
config-syntax = { $path } line { $line }: { $problem }
    .hint = correct that line; nothing was changed
unknown-key = { $path } line { $line }: unknown key `{ $key }`{ $section ->
        [none] {""}
       *[other] {" "}in [{ $section }]
    }
    .hint =
        { $near ->
            [none] remove it; the known keys are in the documentation
           *[other] did you mean `{ $near }`?
        }
bad-value = { $path } line { $line }: `{ $key }`: { $problem }
    .hint = correct the value; nothing was changed
missing-key = { $path }: `{ $key }` is missing
    .hint = add it to the file
bad-tree = { $path }: { $problem }
    .hint = correct the tree and publish again; nothing was published
bad-name = `{ $value }` is not a valid { $what }: { $rule }
    .hint = use lower-case letters, digits, dots and dashes
needs-terminal = a question must be answered, and there is no terminal
    .hint = add { $flag }
not-initialised = { $path } holds no Sanaga state
    .hint = run `sanaga init` first, or name the folder with --home
already-initialised = { $path } is in use already
    .hint = choose another folder with --home; nothing was changed
port-taken = { $address } is taken by another program
    .hint = stop that program, or choose another port with --listen
locked = { $path } is in use by another process
    .hint = stop the other one first; two must never share a folder
daemon-absent = the agent is not running ({ $path })
    .hint = start it: sanaga-agent run
worker-gone = the agent's network side does not answer: { $problem }
    .hint = what runs goes on; look at: systemctl status sanaga-agent
bad-signature = { $role }: { $problem }
    .hint = do not use this source; tell the operator
rollback = { $what } is older than what was seen before ({ $offered } after { $trusted })
    .hint = somebody may be replaying old files; the site keeps running
expired = { $role } expired on { $expired }
    .hint = the site keeps running; the operator must sign it again
frozen = the controller's newest signature is from { $signed }
    .hint = the site keeps running; tell the operator
bad-metadata = { $what }: { $problem }
    .hint = it was refused and nothing was changed
too-big = { $what } is bigger than { $limit } bytes
    .hint = it was refused before it was read
missing-document = { $what } is missing
    .hint = it is asked for again at the next contact
not-for-us = { $what } is for { $found }, and this is { $expected }
    .hint = it was refused; ask the operator for the right one
not-signed-here = { $release } is not signed for { $environment }
    .hint = promote it first: sanaga promote { $release } --to { $environment }
agent-too-old = { $what }: { $problem }
    .hint = update the agent; the site keeps running
store-damaged = a stored trust file does not verify: { $what }
    .hint = the site keeps running; tell the operator
floors-lost = all records of what was trusted before are gone
    .hint = the site keeps running; new releases wait until this node is enrolled again
bad-signed-date = { $role }: { $problem }
    .hint = it was refused; tell the operator
too-many-roots = more than { $limit } root versions at once
    .hint = it goes on at the next contact
tree-mismatch = what is on disk is not { $release }
    .hint = it is staged again
token-malformed = this is not a whole token
    .hint = copy all of it: it begins with sanaga1:
token-used = this token was already used ({ $node }, { $used })
    .hint = ask the operator for a new one: sanaga enroll token --site { $site } --node NAME
token-expired = this token was valid until { $expired }
    .hint = ask the operator for a new one: sanaga enroll token
token-mismatch = this controller is not the one in the token: { $what } differs
    .hint = do not go on; tell the operator
token-unknown = this controller did not give out that token
    .hint = ask the operator for a new one: sanaga enroll token
node-refused = the controller refuses this node's key ({ $node })
    .hint = the site keeps running; tell the operator
already-enrolled = this machine is already enrolled as { $node }
    .hint = nothing was changed
not-enrolled = this machine is not enrolled
    .hint = ask the operator for a token, then: sanaga-agent enroll TOKEN
bundle-too-old = this bundle is too old: { $role } expired on { $expired }
    .hint = ask the operator for a new one
bundle-needs-confirmation = { $role } in this bundle expired on { $expired }
    .hint = if you trust where it comes from, add --accept-expired
offline = { $host } cannot be reached: { $problem }
    .hint = nothing is lost; it is tried again by itself
stalled = nothing came from { $host } for { $seconds } s
    .hint = nothing is lost; it goes on from where it was
bad-answer = { $host } did not answer as a Sanaga controller: { $problem }
    .hint = perhaps the link asks for a login page; it is tried again by itself
frame-mismatch = damaged bytes from { $host } at { $offset }
    .hint = they were thrown away and are fetched again
bad-pack = the pack cannot be read: { $problem }
    .hint = nothing was changed; tell the operator
no-pack = no pack for { $release } that the policy allows
    .hint = ask the operator for a smaller one, or allow the download
truncated = { $path } is cut short
    .hint = copy it again; nothing was changed
asked-to-wait = { $host } asks to wait { $seconds } s
    .hint = it is tried again by itself
base-damaged = an installed file is damaged: { $path }
    .hint = the whole release is fetched instead
budget-spent =
    the data budget is spent: { $limit } MB in { $window ->
        [day] 24 hours
       *[month] 30 days
    }
    .hint = what came is kept, and it goes on by itself in { $wait }; to fetch all the same: sanaga-agent pull --now
disk-full = { $needed ->
        [none] no room for { $path }: { $free } bytes free
       *[other] no room in { $path }: { $needed } needed, { $free } free
    }
    .hint = make room; the site keeps running and the update goes on by itself
not-writable = { $path } cannot be written: { $problem }
    .hint = check the owner and permissions of the folder
disk-fault = { $path }: { $problem }
    .hint = check the disk; the site keeps running
database-damaged = { $path } is damaged: { $problem }
    .hint = it was set aside and is rebuilt
database-too-new = { $path } is of version { $found }; this program knows { $known }
    .hint = install the newer program again; nothing was changed
drift = { $path } is not as it was installed
    .hint = repair it: sanaga-agent verify --repair
start-failed = { $app } does not start: { $problem }
    .hint = see its log: sanaga-agent doctor
stop-failed = { $app } does not stop: { $problem }
    .hint = see its log: sanaga-agent doctor
probe-failed = { $app } is not healthy: { $probe }: { $problem }
    .hint = the previous release is put back
rolled-back = { $app } { $from } was taken back to { $to }: { $cause }
    .hint = it is set aside until a newer assignment
no-previous = { $app } has no release to go back to
    .hint = nothing was changed
no-such-app = no app `{ $app }` on this node
    .hint =
        { $near ->
            [none] see: sanaga-agent status
           *[other] did you mean `{ $near }`?
        }
quarantined = { $release } failed here before and is set aside
    .hint = assign a newer release
held = a hold stops updates ({ $scope })
    .hint = the operator ends it: sanaga unhold
nothing-staged = nothing is staged for { $app }
    .hint = fetch it first: sanaga-agent pull
bad-setting = { $app }: setting `{ $setting }`: { $problem }
    .hint = correct it; the app keeps its former settings
not-allowed = { $app } asks for what this node does not allow: { $problem }
    .hint = the site's administrator may allow it in agent.toml
needs-hands = { $app } needs somebody: { $cause }
    .hint = call the operator; what runs is left running
proxy-failed = the proxy in front of { $app } does not switch: { $problem }
    .hint = the release before serves on; check the proxy, and [upstream] in agent.toml
migration-failed = the migration of { $app } failed: { $problem }
    .hint = the data and the release before are back; a release with another migration is needed
schema-too-new = { $release } cannot read the data of { $app }: they have schema { $found }, and it reads { $known }
    .hint = go on with a newer release, or bring its data back with sanaga-agent rollback { $app }
data-not-kept = the data of { $app } cannot be put aside or brought back: { $path }: { $problem }
    .hint = look at the database or folder; the data are where they were
power-low = on battery at { $have } %, and an update is started from { $need } % on
    .hint = it starts by itself when the power is back; to start it now: sanaga-agent activate { $app }
outage-likely = the power went off at this time on { $found } of the last 14 days
    .hint = the update starts by itself later; to start it now: sanaga-agent activate { $app }
no-such-release = no release `{ $release }`
    .hint =
        { $near ->
            [none] all releases: sanaga release ls
           *[other] did you mean `{ $near }`? All releases: sanaga release ls
        }
no-such-site = no site `{ $site }`
    .hint =
        { $near ->
            [none] all sites: sanaga site ls
           *[other] did you mean `{ $near }`? All sites: sanaga site ls
        }
no-such-node = no node `{ $node }`
    .hint =
        { $near ->
            [none] all nodes: sanaga node ls
           *[other] did you mean `{ $near }`? All nodes: sanaga node ls
        }
no-such-environment = no environment `{ $environment }`
    .hint =
        { $near ->
            [none] there are dev, staging and production
           *[other] did you mean `{ $near }`?
        }
no-such-role = no role `{ $role }`
    .hint =
        { $near ->
            [none] all roles: sanaga key ls
           *[other] did you mean `{ $near }`?
        }
no-such-key = no key `{ $key }`
    .hint =
        { $near ->
            [none] all keys: sanaga key ls
           *[other] did you mean `{ $near }`? All keys: sanaga key ls
        }
version-taken = { $release } is published already in { $environment }, with other content
    .hint = choose another version; a published one never changes
signatures-missing = { $role } has { $have } of { $need } signatures
    .hint = ask another key holder: sanaga sign { $role } --key FILE
wrong-passphrase = the passphrase does not open { $key }
    .hint = try again; nothing was changed
passphrase-short = a passphrase has { $length_min } characters or more
    .hint = choose a longer one: four or five words are good
key-not-in-role = key { $key } may not sign for { $role }
    .hint = sign with a key of that role: sanaga key ls
nothing-pending = nothing waits for a signature in { $role }
    .hint = what waits: sanaga pending
bad-threshold = { $role } cannot have threshold { $threshold } with { $keys } keys
    .hint = name more keys or a lower threshold
not-in-environment = { $node } is in { $environment }, and { $release } is not signed there
    .hint = promote it first: sanaga promote { $release } --to { $environment }
downgrade = { $node } runs { $running }; { $release } is older
    .hint = publish the older content under a new version, or allow it when publishing: --allow-downgrade-from
nobody = { $selector } names no node
    .hint = all nodes: sanaga node ls
declined = not confirmed; nothing was changed
    .hint = add --yes to go on without the question
bad-request = { $problem }
    .hint = correct the request; nothing was changed
name-taken = { $what } `{ $name }` is there already
    .hint = choose another name; nothing was changed
not-rehearsed = { $release } migrates data, and { $rehearsal } has not shown that: { $missing }
    .hint = run it in { $rehearsal }, let it be committed, and roll it back there once
internal = something went wrong inside: { $problem }
    .hint = please report it with the log
