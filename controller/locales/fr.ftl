# Ce que dit la ligne de commande de `sanaga`, en français. Les échecs sont dans proto/locales.

next = Ensuite : { $command }
yes-no = o/N
never = jamais
ago = il y a { $time }
time-left = encore { $time }

passphrase-new = Phrase secrète de votre clé de signature (12 caractères ou plus)
passphrase-new-named = Phrase secrète de la clé de signature de { $name } (12 caractères ou plus)
passphrase-again = Encore une fois
passphrase-for = Phrase secrète de { $name }
passphrase-differs = les deux phrases diffèrent ; rien n'a été modifié

init-created = Créé : { $path }
init-key = {"  "}clé de signature  keys/{ $name }.age        copiez-la aujourd'hui sur une clé USB ; elle ne peut pas être retrouvée
init-ci = {"  "}clé de build  keys/{ $name }.age        pour votre système de build ; elle signe dev et rien d'autre
init-environments = {"  "}environnements    dev, staging, production   { $people ->
        [one] une signature chacune
       *[many] une, une et deux signatures
    }
init-root = {"  "}racine            sha256 { $digest }
init-trying = Suffisant pour essayer. Avant la production : { $missing } { $missing_form ->
        [one] autre détenteur
       *[other] autres détenteurs
    } de clé, seuil 2 (`sanaga doctor`).

serving = En service : { $url }   { $nodes } { $nodes_form ->
        [one] nœud
       *[other] nœuds
    }, { $releases } { $releases_form ->
        [one] version
       *[other] versions
    }
serve-stopped = Arrêté ; rien n'est perdu.

token-valid = Valable une fois, jusqu'au { $until }. Sur le nœud : sudo sanaga-agent enroll JETON

reading = Lecture
packing = Empaquetage
packed = Empaquetage { $files }/{ $files } fichiers  { $from } → { $to }  { $time }
tree-size = { $files } fichiers, { $size }
from-nothing = depuis rien
from-version = depuis { $version }
nothing-published = Rien n'a été publié.
published = Publié : { $release } dans { $environment }   racine { $root }   compteur { $counter }
already-published = { $release } est déjà dans { $environment }   compteur { $counter }
runs-nowhere = Aucun nœud ne l'exécute encore. Ensuite : { $command }
runs-somewhere = { $count } { $count_form ->
        [one] nœud l'exécute
       *[other] nœuds l'exécutent
    }. Ensuite : { $command }
patch-made = Delta depuis { $version }  { $bytes }  { $time }
patch-useless = Delta depuis { $version }  { $bytes }, pas plus petit que le paquet complet ; pas proposé

head-node = NŒUD
head-from = DEPUIS
head-download = À RECEVOIR
head-cost = COÛT
head-site = SITE
head-nodes = NŒUDS
head-live = ACTIFS
head-environment = ENVIRONNEMENT
head-environments = ENVIRONNEMENTS
head-contact = CONTACT
head-heard = ENTENDU
head-apps = APPLIS
head-app = APPLI
head-runs = EXÉCUTE
head-assigned = ASSIGNÉE
head-evidence = PREUVE
head-phase = PHASE
head-code = CODE
head-release = VERSION
head-files = ENTRÉES
head-size = TAILLE
head-pack = PAQUET COMPLET
head-published = PUBLIÉE
head-by = PAR
head-role = RÔLE
head-threshold = SEUIL
head-version = VERSION
head-expires = EXPIRE
head-keys = CLÉS

download-full = (complet : { $bytes })
by-patch = correctif
by-full-pack = paquet complet
assign-question = Assigner à { $count } { $count_form ->
        [one] nœud
       *[other] nœuds
    } ?
assign-nothing = Rien n'a été assigné.
assigned-one = Assignée, génération { $generation }. { $node } se manifeste sous { $seconds } ({ $environment }). Suivre : sanaga node show { $node } --watch
assigned-many = Assignée à { $count } nœuds. Ils se manifestent sous { $seconds }. Suivre : sanaga node show { $node } --watch

setting-set = { $app } { $name } = { $value } pour { $to }
setting-unset = { $app } { $name } n'est plus réglé pour { $to }
setting-dry = { $app } { $name } = { $value } pour { $to } : rien n'a été modifié
setting-nobody = Aucun nœud ne change maintenant.
setting-nodes = { $count } { $count_form ->
        [one] nœud reçoit une nouvelle génération : { $names }
       *[other] nœuds reçoivent une nouvelle génération : { $names }
    }

hold-on = Les mises à jour sont suspendues ({ $scope }), suspension { $number }. Ce qui tourne continue.
hold-was-on = Les mises à jour étaient déjà suspendues ({ $scope }), suspension { $number }.
hold-off = Les mises à jour reprennent ({ $scope }), suspension levée { $number }.
hold-was-off = Aucune suspension ne concerne { $scope }.

key-made = Clé { $name }   { $id }   copiez son fichier aujourd'hui sur une clé USB ; elle ne peut pas être retrouvée
key-online = celle du serveur
keys-unused = Dans aucun rôle : { $names }

role-unchanged = Rien ne change.
role-current = { $role } version { $version } est signé et en vigueur.
role-whole = { $role } version { $version } a toutes ses signatures, et entre en vigueur avec la prochaine version de targets.
role-waits = { $role } version { $version } a { $have } signatures sur { $need }.
waits-for = En attente de : { $names }
sign-again = { $role } doit être signé de nouveau, car ses clés ont changé.
signatures-void = { $count } { $count_form ->
        [one] signature de la version en attente de { $role } est annulée
       *[other] signatures de la version en attente de { $role } sont annulées
    } : elle a été refaite.
pending-nothing = Rien n'attend de signature.
pending-role = { $role } version { $version }   { $have } signatures sur { $need }   signé par { $by }   peuvent encore signer : { $names }

contact-live = actif
contact-late = en retard
contact-dark = silencieux
contact-revoked = révoqué
evidence-none = aucune
evidence-claimed = déclarée
evidence-receipted = attestée
node-head = { $node }   site { $site }, { $environment }   { $contact }, entendu { $heard }   génération { $generation }
node-held = Une suspension arrête ses mises à jour.
node-receipts-problem = Ses derniers reçus n'ont pas été acceptés : { $problem }
revoke-question = Refuser désormais la clé de { $node } ?
revoked = La clé de { $node } est désormais refusée. Ce qu'il exécute continue.

phase-fetching = téléchargement
phase-probation = à l'essai
event-booted = démarrage
event-enrolled = inscription
event-staged = prête
event-activated = activée
event-committed = validée
event-rolled_back = retirée
event-refused = refusée
event-superseded = remplacée
event-held = suspendue
event-operator_action = fait sur place
event-alarm = alarme
event-needs_hands = besoin de quelqu'un
event-migrated = données migrées
watch-bytes = { $done } sur { $all }
watch-fetching = commence
watch-probation = encore { $seconds }, { $probes } { $probes_form ->
        [one] sonde
       *[other] sondes
    }
watch-staged = vérifié, racine { $root }
watch-committed = reçu n° { $number } signé par { $node }
watch-receipt = reçu n° { $number }
watch-runs = { $release } tourne sur { $node }.
watch-received = { $bytes } reçus, dont { $twice } Mo deux fois.

release-show = { $release }   { $environments }
    {"  "}risque     { $risk }
    {"  "}contenu    { $files } entrées, { $size } ; paquet complet { $pack }
    {"  "}racine     { $root }
    {"  "}manifeste  { $manifest }
    {"  "}tourne sur { $nodes } { $nodes_form ->
        [one] nœud
       *[other] nœuds
    }
    {"  "}publiée    { $published } par { $by }
rehearsal-done = {"  "}migration  répétée dans { $environment } : validée, puis retirée
rehearsal-missing = {"  "}migration  { $environment } n'a pas montré : { $missing }
rehearsal-commit = une migration validée
rehearsal-rollback = son retrait

bundle-written = Écrit : { $path }   { $bytes }, { $count } fichiers
bundle-not-assigned = { $release } n'est pas assignée à { $node }, qui ne l'installera pas depuis ce lot.
bundle-next = Sur le nœud : sudo sanaga-agent install --from { $path }

doctor-well = Tout est comme il faut.
doctor-backup = Clés qui doivent aussi être sur une clé USB : { $names }
doctor-expired = EXPIRÉ    { $role } a expiré le { $day } : sanaga role renew { $role }
doctor-expires = bientôt   { $role } expire le { $day } : sanaga role renew { $role }
doctor-weak = rôles     { $role } demande { $threshold } clés sur { $keys } ; avant la production { $threshold_wanted } sur { $keys_wanted } ou plus : sanaga role set { $role } --threshold { $threshold_wanted } --key …
doctor-shared = rôles     { $role } est signé avec une clé de root ; avant la production, donnez-lui la sienne : sanaga role set { $role } --threshold 1 --key …
doctor-audit = AUDIT     le journal n'est plus cohérent à partir de l'entrée { $number } : quelqu'un l'a modifié
doctor-waiting = attente   { $role } attend encore { $missing } { $missing_form ->
        [one] signature
       *[other] signatures
    } : sanaga sign { $role }

usage-unknown-argument = argument inconnu « { $argument } »
usage-unknown-command = commande inconnue « { $argument } »
usage-missing = il manque { $argument }
usage-bad-value = « { $value } » n'est pas une valeur valable pour { $argument }
usage-conflict = { $argument } ne va pas avec { $other }
usage-no-command = il manque une commande
usage-other = { $text }
usage-near = { " " }; vouliez-vous dire « { $near } » ?
