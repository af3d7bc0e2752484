# What sanaga-agent says, in English. Every message is in fr.ftl, too; a test compares them.
# The messages of failures are in proto/locales.

# Zero things are put as: one, or other.
zero-is = other
decimal-mark = .
unit-byte = B
unit-kb = KB
unit-mb = MB
unit-gb = GB
unit-tb = TB
unit-second = s
unit-minute = min
unit-hour = h
unit-day = d
part-of = { $done } of { $total } { $unit }
next = Next: { $command }
# The words that mean yes, apart by spaces.
yes-words = y yes

# The phases of an update, as in docs/update-states.
phase-idle = idle
phase-fetching = fetching
phase-staged = staged
phase-armed = ready
phase-snapshotting = saving data
phase-activating = activating
phase-probation = probation
phase-committed = committed
phase-rolling-back = going back
phase-rolled-back = rolled back
phase-held = held
phase-superseded = superseded
phase-refused = refused
phase-needs-hands = needs somebody

# The kinds of events.
event-booted = booted
event-enrolled = enrolled
event-staged = staged
event-activated = activated
event-committed = committed
event-rolled-back = rolled back
event-refused = refused
event-superseded = superseded
event-held = held
event-operator-action = done by hand
event-alarm = alarm
event-needs-hands = needs somebody
event-migrated = data migrated

# Headings.
col-app = APP
col-version = VERSION
col-state = STATE
col-since = SINCE
col-previous = PREVIOUS
col-number = #
col-when = WHEN
col-event = EVENT
col-release = RELEASE
col-note = NOTE
col-known = REPORTED
col-path = PATH
col-difference = DIFFERENCE
col-key = KEY
col-value = VALUE
col-origin = FROM
col-check = CHECK
col-finding = FINDING

# enroll
enroll-controller = Controller
enroll-root = Trust root
enroll-enrolled = Enrolled
enroll-matches = { $what }   matches the token
enroll-who = { $node }, site { $site }, environment { $environment }   ({ $size })
enroll-running = Agent is running. Nothing is assigned yet.

# status
status-place = SITE { $site } · NODE { $node }
status-contact = controller heard { $age } ago
status-no-contact = controller not heard yet
status-offline = offline for { $age }
status-offline-always = offline since the agent started
status-contact-failed = contact failed ({ $code })
status-nothing-lost = nothing is lost
status-held = updates are on hold
status-stale = signatures expired, the site keeps running
status-not-enrolled = Not enrolled yet: the agent runs and waits for a token from the operator.
status-token = TOKEN
status-nothing = Nothing is assigned yet.
state-running = running
state-stopped = stopped
state-absent = not installed
state-fetching = fetching { $version }
state-fetching-part = fetching { $version }, { $part }
state-ready = { $version } ready
state-snapshotting = saving data before { $version }
state-activating = switching to { $version }
state-probation = on probation, { $left } left
state-rolling-back = going back
state-held = { $version } on hold
state-refused = { $version } refused
state-needs-hands = needs somebody
set-aside = { $version } (set aside)
probes =
    { $form ->
        [one] probe { $passing } of { $all } passing
       *[other] probes { $passing } of { $all } passing
    }

# status --watch, and progress
watch-left = { $time } left
watch-link-lost = link lost; nothing is lost, it is tried again by itself
watch-link-lost-at = link lost at { $size }; kept, resumes by itself
watch-link-back = link back
watch-runs = { $release } runs

# activate, rollback
activated = Activated in { $took }.
activated-probes = Activated in { $took }, { $health }.
probe-passing = probe passing
probes-passing =
    { $form ->
        [one] { $passing } of { $all } probe passing
       *[other] { $passing } of { $all } probes passing
    }
no-network = no network needed
rollback-aside = { $version } is set aside until a newer assignment.
data-aside = What was written with the release that was left is kept in { $path }.
receipt-waits = The controller will hear of it at the next contact (receipt #{ $number } waiting).
receipt-sent = The controller knows of it (receipt #{ $number }).

# pull, stage, install
pulled = The controller answered in { $took }.
staged = { $app } { $to } is staged.
staged-beside = { $app } { $to } is staged beside { $from }, which keeps running.
install-from = from { $file }, no network needed
install-taken = { $file } is verified and taken in; no network needed.
install-expired = { $role } in this bundle expired on { $expired }. Are you sure where it comes from? [y/N]

# history
history-none = Nothing has happened yet.
history-unsure = ? the clock was not sure at that time
known-yes = yes
known-no = waiting

# verify
verify-nothing = Nothing is installed yet.
verify-good =
    { $form ->
        [one] { $files } file, { $size }: all as installed.
       *[other] { $files } files, { $size }: all as installed.
    }
verify-drift =
    { $count_form ->
        [one] { $count } of { $files } files is not as installed.
       *[other] { $count } of { $files } files are not as installed.
    }
verify-repaired =
    { $count_form ->
        [one] { $count } of { $files } files was not as installed; a fresh copy takes its place.
       *[other] { $count } of { $files } files were not as installed; a fresh copy takes their place.
    }

# config
config-good =
    { $form ->
        [one] The configuration is good: { $count } value set, the rest by default.
       *[other] The configuration is good: { $count } values set, the rest by default.
    }
origin-default = default

# doctor
check-configuration = configuration
check-enrolment = enrolment
check-agent = agent
check-clock = clock
check-disk = disk
check-keys = keys
check-certificate = certificate
check-contact = contact
check-metadata = signatures
check-hold = hold
check-app = app
found-good = ok
found-notice = note
found-problem = PROBLEM
doctor-config-good = every file and variable can be read
doctor-enrolled = { $node }, site { $site }, environment { $environment }
doctor-agent-running = running
doctor-clock-sure = synchronised: { $date }
doctor-clock-unsure = not synchronised: { $date }
    .hint = it is used for display only; updates do not depend on it
doctor-disk-good = { $free } free
doctor-disk-low = { $free } free, { $min } wanted
    .hint = make room; the site keeps running, and updates wait until there is room
doctor-keys-good = readable by their owner only
doctor-key-missing = { $path } is missing
    .hint = this machine must be enrolled again: call the operator
doctor-key-open = { $path } can be read by others (mode { $mode })
    .hint = chmod 600 { $path }, and tell the operator
doctor-certificate-good = good for { $left }
doctor-certificate-expired = expired on { $date }
    .hint = nothing to do: it is renewed by itself at the next contact
doctor-certificate-missing = missing
    .hint = call the operator; the site keeps running
doctor-contact-good = the controller answered { $age } ago
doctor-contact-lost = offline for { $age }; { $waiting } receipts wait
    .hint = nothing to do: it is tried again by itself, and nothing is lost
doctor-contact-dark = offline for { $age }; { $waiting } receipts wait
    .hint = check the modem, its credit and its cable; the site keeps running meanwhile
doctor-contact-none = the controller has not answered since the agent started; { $waiting } receipts wait
    .hint = wait a minute, then check the modem, its credit and its cable
doctor-contact-failed = the last contact failed ({ $code })
    .hint = tell the operator this number; the site keeps running
doctor-metadata-good = valid
doctor-metadata-stale = expired
    .hint = tell the operator to sign again; the site keeps running
doctor-not-held = none
doctor-held = the operator has stopped updates
    .hint = nothing to do here; going back is still possible: sanaga-agent rollback APP
doctor-app-good = { $app } { $version } runs
doctor-app-absent = { $app } is assigned and not installed yet
doctor-app-stopped = { $app } { $version } does not run
    .hint = call the operator; to go back by yourself: sanaga-agent rollback { $app }
doctor-app-stuck = { $app } { $version } needs somebody
    .hint = call the operator; what runs is left running
doctor-app-aside = { $app } { $version } is set aside
    .hint = nothing to do: it waits for a newer assignment

# The command line
usage-unknown-argument = unknown argument `{ $argument }`
usage-unknown-command = unknown command `{ $argument }`
usage-missing = { $argument } is missing
usage-bad-value = `{ $value }` is not a valid value for { $argument }
usage-conflict = { $argument } cannot be used with { $other }
usage-no-command = a command is missing
usage-other = { $text }
usage-near = ; did you mean `{ $near }`?
