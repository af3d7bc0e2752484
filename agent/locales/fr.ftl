# Ce que dit sanaga-agent, en français. Chaque message est aussi dans en.ftl ; un test les compare.
# Les messages des erreurs sont dans proto/locales.

# Zéro chose se dit comme : one, ou other.
zero-is = one
decimal-mark = ,
unit-byte = o
unit-kb = ko
unit-mb = Mo
unit-gb = Go
unit-tb = To
unit-second = s
unit-minute = min
unit-hour = h
unit-day = j
part-of = { $done } sur { $total } { $unit }
next = Ensuite : { $command }
# Les mots qui veulent dire oui, séparés par des espaces.
yes-words = o oui

# Les étapes d'une mise à jour, comme dans docs/update-states.
phase-idle = au repos
phase-fetching = téléchargement
phase-staged = prête
phase-armed = en attente
phase-snapshotting = sauvegarde
phase-activating = activation
phase-probation = à l'essai
phase-committed = validée
phase-rolling-back = retour
phase-rolled-back = retirée
phase-held = suspendue
phase-superseded = remplacée
phase-refused = refusée
phase-needs-hands = besoin de quelqu'un

# Les sortes d'événements.
event-booted = démarrage
event-enrolled = inscription
event-staged = prête
event-activated = activée
event-committed = validée
event-rolled-back = retirée
event-refused = refusée
event-superseded = remplacée
event-held = suspendue
event-operator-action = fait sur place
event-alarm = alarme
event-needs-hands = besoin de quelqu'un
event-migrated = données migrées

# Les titres.
col-app = APPLI
col-version = VERSION
col-state = ÉTAT
col-since = DEPUIS
col-previous = PRÉCÉDENTE
col-number = #
col-when = QUAND
col-event = ÉVÉNEMENT
col-release = VERSION
col-note = NOTE
col-known = TRANSMIS
col-path = CHEMIN
col-difference = DIFFÉRENCE
col-key = CLÉ
col-value = VALEUR
col-origin = ORIGINE
col-check = CONTRÔLE
col-finding = CONSTAT

# enroll
enroll-controller = Contrôleur
enroll-root = Racine
enroll-enrolled = Inscrit
enroll-matches = { $what }   conforme au jeton
enroll-who = { $node }, site { $site }, environnement { $environment }   ({ $size })
enroll-running = L'agent tourne. Rien n'est encore assigné.

# status
status-place = SITE { $site } · NŒUD { $node }
status-contact = contrôleur entendu il y a { $age }
status-no-contact = contrôleur pas encore entendu
status-offline = hors ligne depuis { $age }
status-offline-always = hors ligne depuis le démarrage de l'agent
status-contact-failed = contact manqué ({ $code })
status-nothing-lost = rien n'est perdu
status-held = mises à jour suspendues
status-stale = signatures expirées, le site continue de tourner
status-not-enrolled = Pas encore inscrite : l'agent tourne et attend un jeton de l'opérateur.
status-token = JETON
status-nothing = Rien n'est encore assigné.
state-running = en marche
state-stopped = arrêtée
state-absent = pas installée
state-fetching = téléchargement de { $version }
state-fetching-part = téléchargement de { $version }, { $part }
state-ready = { $version } prête
state-snapshotting = sauvegarde avant { $version }
state-activating = passage à { $version }
state-probation = à l'essai, encore { $left }
state-rolling-back = retour à la précédente
state-held = { $version } suspendue
state-refused = { $version } refusée
state-needs-hands = besoin de quelqu'un
set-aside = { $version } (écartée)
probes =
    { $form ->
        [one] sonde { $passing } sur { $all } réussie
       *[other] sondes { $passing } sur { $all } réussies
    }

# status --watch, et progression
watch-left = encore { $time }
watch-link-lost = liaison perdue ; rien n'est perdu, l'essai reprend tout seul
watch-link-lost-at = liaison perdue à { $size } ; gardés, la suite viendra toute seule
watch-link-back = liaison rétablie
watch-runs = { $release } est en marche

# activate, rollback
activated = Activée en { $took }.
activated-probes = Activée en { $took }, { $health }.
probe-passing = sonde réussie
probes-passing =
    { $form ->
        [one] { $passing } sonde sur { $all } réussie
       *[other] { $passing } sondes sur { $all } réussies
    }
no-network = sans réseau
rollback-aside = { $version } est écartée jusqu'à une assignation plus récente.
data-aside = Ce qui a été écrit avec la version quittée est gardé dans { $path }.
receipt-waits = Le contrôleur l'apprendra au prochain contact (reçu n° { $number } en attente).
receipt-sent = Le contrôleur le sait (reçu n° { $number }).

# pull, stage, install
pulled = Le contrôleur a répondu en { $took }.
staged = { $app } { $to } est prête.
staged-beside = { $app } { $to } est prête à côté de { $from }, qui reste en marche.
install-from = depuis { $file }, sans réseau
install-taken = { $file } est vérifié et pris en compte, sans réseau.
install-expired = { $role } dans ce paquet a expiré le { $expired }. Êtes-vous sûr de sa provenance ? [o/N]

# history
history-none = Il ne s'est encore rien passé.
history-unsure = ? l'horloge n'était pas sûre à ce moment
known-yes = oui
known-no = en attente

# verify
verify-nothing = Rien n'est encore installé.
verify-good =
    { $form ->
        [one] { $files } fichier, { $size } : tout est comme à l'installation.
       *[other] { $files } fichiers, { $size } : tout est comme à l'installation.
    }
verify-drift =
    { $count_form ->
        [one] { $count } fichier sur { $files } n'est plus comme à l'installation.
       *[other] { $count } fichiers sur { $files } ne sont plus comme à l'installation.
    }
verify-repaired =
    { $count_form ->
        [one] { $count } fichier sur { $files } n'était plus comme à l'installation ; une copie neuve le remplace.
       *[other] { $count } fichiers sur { $files } n'étaient plus comme à l'installation ; une copie neuve les remplace.
    }

# config
config-good =
    { $form ->
        [one] La configuration est bonne : { $count } valeur choisie, le reste par défaut.
       *[other] La configuration est bonne : { $count } valeurs choisies, le reste par défaut.
    }
origin-default = défaut

# doctor
check-configuration = configuration
check-enrolment = inscription
check-agent = agent
check-clock = horloge
check-disk = disque
check-keys = clés
check-certificate = certificat
check-contact = contact
check-metadata = signatures
check-hold = suspension
check-app = appli
found-good = bon
found-notice = à savoir
found-problem = PROBLÈME
doctor-config-good = tous les fichiers et variables sont lisibles
doctor-enrolled = { $node }, site { $site }, environnement { $environment }
doctor-agent-running = en marche
doctor-clock-sure = à l'heure : { $date }
doctor-clock-unsure = pas synchronisée : { $date }
    .hint = elle ne sert qu'à l'affichage ; les mises à jour n'en dépendent pas
doctor-disk-good = { $free } libres
doctor-disk-low = { $free } libres, il en faudrait { $min }
    .hint = faites de la place ; le site continue de tourner, et les mises à jour attendent la place
doctor-keys-good = lisibles par leur propriétaire seul
doctor-key-missing = il manque { $path }
    .hint = il faut inscrire cette machine à nouveau : appelez l'opérateur
doctor-key-open = { $path } est lisible par d'autres (mode { $mode })
    .hint = chmod 600 { $path }, et prévenez l'opérateur
doctor-certificate-good = bon encore { $left }
doctor-certificate-expired = expiré le { $date }
    .hint = rien à faire : il est renouvelé tout seul au prochain contact
doctor-certificate-missing = absent
    .hint = appelez l'opérateur ; le site continue de tourner
doctor-contact-good = le contrôleur a répondu il y a { $age }
doctor-contact-lost = hors ligne depuis { $age } ; reçus en attente : { $waiting }
    .hint = rien à faire : l'essai reprend tout seul, et rien n'est perdu
doctor-contact-dark = hors ligne depuis { $age } ; reçus en attente : { $waiting }
    .hint = vérifiez le modem, son crédit et son câble ; le site continue de tourner
doctor-contact-none = le contrôleur n'a pas répondu depuis le démarrage de l'agent ; reçus en attente : { $waiting }
    .hint = attendez une minute, puis vérifiez le modem, son crédit et son câble
doctor-contact-failed = le dernier contact a manqué ({ $code })
    .hint = donnez ce numéro à l'opérateur ; le site continue de tourner
doctor-metadata-good = valables
doctor-metadata-stale = expirées
    .hint = demandez à l'opérateur de signer à nouveau ; le site continue de tourner
doctor-not-held = aucune
doctor-held = l'opérateur a suspendu les mises à jour
    .hint = rien à faire ici ; on peut toujours revenir en arrière : sanaga-agent rollback APPLI
doctor-app-good = { $app } { $version } est en marche
doctor-app-absent = { $app } est assignée et pas encore installée
doctor-app-stopped = { $app } { $version } ne tourne pas
    .hint = appelez l'opérateur ; pour revenir en arrière vous-même : sanaga-agent rollback { $app }
doctor-app-stuck = { $app } { $version } a besoin de quelqu'un
    .hint = appelez l'opérateur ; ce qui tourne reste en marche
doctor-app-aside = { $app } { $version } est écartée
    .hint = rien à faire : elle attend une assignation plus récente

# La ligne de commande
usage-unknown-argument = argument inconnu « { $argument } »
usage-unknown-command = commande inconnue « { $argument } »
usage-missing = il manque { $argument }
usage-bad-value = « { $value } » n'est pas une valeur valable pour { $argument }
usage-conflict = { $argument } ne va pas avec { $other }
usage-no-command = il manque une commande
usage-other = { $text }
usage-near = { " " }; vouliez-vous dire « { $near } » ?
