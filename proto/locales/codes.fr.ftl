# Ce que dit chaque code d'erreur, en français. Les noms sont dans proto/src/code.rs.

error-word = erreur
hint-word = conseil
bad-usage = { $problem }
    .hint = voyez --help
config-unreadable = { $path } est illisible : { $problem }
    .hint = vérifiez le chemin et les droits
config-syntax = { $path } ligne { $line } : { $problem }
    .hint = corrigez cette ligne ; rien n'a été modifié
unknown-key = { $path } ligne { $line } : clé inconnue « { $key } »{ $section ->
        [none] {""}
       *[other] {" "}dans [{ $section }]
    }
    .hint =
        { $near ->
            [none] retirez-la ; les clés connues sont dans la documentation
           *[other] vouliez-vous dire « { $near } » ?
        }
bad-value = { $path } ligne { $line } : « { $key } » : { $problem }
    .hint = corrigez la valeur ; rien n'a été modifié
missing-key = { $path } : il manque « { $key } »
    .hint = ajoutez-la au fichier
bad-tree = { $path } : { $problem }
    .hint = corrigez l'arborescence et publiez à nouveau ; rien n'a été publié
bad-name = « { $value } » n'est pas un nom valable ({ $what }) : { $rule }
    .hint = utilisez des minuscules, chiffres, points et tirets
needs-terminal = il faut répondre à une question, et il n'y a pas de terminal
    .hint = ajoutez { $flag }
not-initialised = { $path } ne contient rien de Sanaga
    .hint = lancez d'abord `sanaga init`, ou nommez le dossier avec --home
already-initialised = { $path } est déjà utilisé
    .hint = choisissez un autre dossier avec --home ; rien n'a été modifié
port-taken = { $address } est occupé par un autre programme
    .hint = arrêtez ce programme, ou choisissez un autre port avec --listen
locked = { $path } est utilisé par un autre processus
    .hint = arrêtez d'abord l'autre ; deux ne doivent jamais partager un dossier
daemon-absent = l'agent ne tourne pas ({ $path })
    .hint = démarrez-le : sanaga-agent run
worker-gone = la partie réseau de l'agent ne répond pas : { $problem }
    .hint = ce qui tourne continue ; voyez : systemctl status sanaga-agent
bad-signature = { $role } : signature refusée ({ $problem })
    .hint = n'utilisez pas cette source ; prévenez l'opérateur
rollback = { $what } est plus ancien que ce qui a été vu ({ $offered } après { $trusted })
    .hint = quelqu'un présente peut-être d'anciens fichiers ; le site continue de tourner
expired = { $role } a expiré le { $expired }
    .hint = le site continue de tourner ; l'opérateur doit le signer à nouveau
frozen = la dernière signature du contrôleur date du { $signed }
    .hint = le site continue de tourner ; prévenez l'opérateur
bad-metadata = { $what } : { $problem }
    .hint = refusé ; rien n'a été modifié
too-big = { $what } dépasse { $limit } octets
    .hint = refusé avant lecture
missing-document = il manque { $what }
    .hint = il sera redemandé au prochain contact
not-for-us = { $what } est pour { $found }, et ceci est { $expected }
    .hint = refusé ; demandez le bon à l'opérateur
not-signed-here = { $release } n'est pas signé pour { $environment }
    .hint = promouvez-le d'abord : sanaga promote { $release } --to { $environment }
agent-too-old = { $what } : { $problem }
    .hint = mettez l'agent à jour ; le site continue de tourner
store-damaged = un fichier de confiance enregistré est endommagé : { $what }
    .hint = le site continue de tourner ; prévenez l'opérateur
floors-lost = toutes les traces de confiance sont perdues
    .hint = le site continue de tourner ; les nouvelles versions attendent une nouvelle inscription
bad-signed-date = { $role } : { $problem }
    .hint = refusé ; prévenez l'opérateur
too-many-roots = plus de { $limit } versions de la racine à la fois
    .hint = cela continue au prochain contact
tree-mismatch = le disque ne contient pas { $release }
    .hint = la préparation recommence
token-malformed = ce jeton n'est pas entier
    .hint = copiez-le en entier : il commence par sanaga1:
token-used = ce jeton a déjà servi ({ $node }, { $used })
    .hint = demandez-en un autre à l'opérateur : sanaga enroll token --site { $site } --node NOM
token-expired = ce jeton était valable jusqu'au { $expired }
    .hint = demandez-en un autre à l'opérateur : sanaga enroll token
token-mismatch = ce contrôleur n'est pas celui du jeton : { $what } diffère
    .hint = n'allez pas plus loin ; prévenez l'opérateur
token-unknown = ce contrôleur n'a pas donné ce jeton
    .hint = demandez-en un autre à l'opérateur : sanaga enroll token
node-refused = le contrôleur refuse la clé de ce nœud ({ $node })
    .hint = le site continue de tourner ; prévenez l'opérateur
already-enrolled = cette machine est déjà inscrite sous le nom { $node }
    .hint = rien n'a été modifié
not-enrolled = cette machine n'est pas inscrite
    .hint = demandez un jeton à l'opérateur, puis : sanaga-agent enroll JETON
bundle-too-old = ce lot est trop vieux : { $role } a expiré le { $expired }
    .hint = demandez-en un nouveau à l'opérateur
bundle-needs-confirmation = { $role } dans ce lot a expiré le { $expired }
    .hint = si vous êtes sûr de sa provenance, ajoutez --accept-expired
offline = { $host } est injoignable : { $problem }
    .hint = rien n'est perdu ; la tentative reprend toute seule
stalled = rien n'est venu de { $host } depuis { $seconds } s
    .hint = rien n'est perdu ; cela reprend où c'en était
bad-answer = { $host } n'a pas répondu comme un contrôleur Sanaga : { $problem }
    .hint = le réseau demande peut-être une page de connexion ; la tentative reprend toute seule
frame-mismatch = octets endommagés de { $host } à { $offset }
    .hint = ils ont été jetés et seront redemandés
bad-pack = le paquet est illisible : { $problem }
    .hint = rien n'a été modifié ; prévenez l'opérateur
no-pack = aucun paquet permis pour { $release }
    .hint = demandez-en un plus petit à l'opérateur, ou autorisez le téléchargement
truncated = { $path } est tronqué
    .hint = copiez-le à nouveau ; rien n'a été modifié
asked-to-wait = { $host } demande d'attendre { $seconds } s
    .hint = la tentative reprend toute seule
base-damaged = un fichier installé est endommagé : { $path }
    .hint = la version entière est téléchargée à la place
budget-spent =
    le budget de données est épuisé : { $limit } Mo en { $window ->
        [day] 24 heures
       *[month] 30 jours
    }
    .hint = ce qui est arrivé est gardé et la suite vient toute seule dans { $wait } ; pour télécharger quand même : sanaga-agent pull --now
disk-full = { $needed ->
        [none] plus de place pour { $path } : { $free } octets libres
       *[other] plus de place dans { $path } : { $needed } nécessaires, { $free } libres
    }
    .hint = faites de la place ; le site continue de tourner et la mise à jour reprendra toute seule
not-writable = impossible d'écrire dans { $path } : { $problem }
    .hint = vérifiez le propriétaire et les droits du dossier
disk-fault = { $path } : { $problem }
    .hint = vérifiez le disque ; le site continue de tourner
database-damaged = { $path } est endommagée : { $problem }
    .hint = elle a été mise de côté et est reconstruite
database-too-new = { $path } est de version { $found } ; ce programme connaît { $known }
    .hint = réinstallez le programme plus récent ; rien n'a été modifié
drift = { $path } n'est plus comme à l'installation
    .hint = réparez : sanaga-agent verify --repair
start-failed = { $app } ne démarre pas : { $problem }
    .hint = voyez son journal : sanaga-agent doctor
stop-failed = { $app } ne s'arrête pas : { $problem }
    .hint = voyez son journal : sanaga-agent doctor
probe-failed = { $app } ne va pas bien : { $probe } : { $problem }
    .hint = la version précédente est remise
rolled-back = { $app } { $from } a été remplacée par { $to } : { $cause }
    .hint = elle est écartée jusqu'à une nouvelle assignation
no-previous = { $app } n'a pas de version précédente
    .hint = rien n'a été modifié
no-such-app = pas d'application « { $app } » sur ce nœud
    .hint =
        { $near ->
            [none] voyez : sanaga-agent status
           *[other] vouliez-vous dire « { $near } » ?
        }
quarantined = { $release } a échoué ici et est écartée
    .hint = assignez une version plus récente
held = une suspension arrête les mises à jour ({ $scope })
    .hint = l'opérateur la lève : sanaga unhold
nothing-staged = rien n'est prêt pour { $app }
    .hint = téléchargez d'abord : sanaga-agent pull
bad-setting = { $app } : réglage « { $setting } » : { $problem }
    .hint = corrigez-le ; l'application garde ses réglages
not-allowed = { $app } demande ce que ce nœud n'autorise pas : { $problem }
    .hint = l'administrateur du site peut l'autoriser dans agent.toml
needs-hands = { $app } a besoin de quelqu'un : { $cause }
    .hint = appelez l'opérateur ; ce qui tourne reste en marche
proxy-failed = le mandataire devant { $app } ne bascule pas : { $problem }
    .hint = la version d'avant reste en service ; vérifiez le mandataire, et [upstream] dans agent.toml
migration-failed = la migration de { $app } a échoué : { $problem }
    .hint = les données et la version d'avant sont de retour ; il faut une version avec une autre migration
schema-too-new = { $release } ne peut pas lire les données de { $app } : leur schéma est { $found }, elle lit { $known }
    .hint = continuez avec une version plus récente, ou faites revenir ses données : sanaga-agent rollback { $app }
data-not-kept = les données de { $app } ne peuvent être mises de côté ou ramenées : { $path } : { $problem }
    .hint = examinez la base ou le dossier ; les données sont où elles étaient
power-low = sur batterie à { $have } %, et une mise à jour démarre à partir de { $need } %
    .hint = elle démarrera toute seule au retour du courant ; pour la démarrer maintenant : sanaga-agent activate { $app }
outage-likely = le courant a été coupé à cette heure { $found } jours sur les 14 derniers
    .hint = la mise à jour démarrera plus tard toute seule ; pour la démarrer maintenant : sanaga-agent activate { $app }
no-such-release = pas de version « { $release } »
    .hint =
        { $near ->
            [none] toutes les versions : sanaga release ls
           *[other] vouliez-vous dire « { $near } » ? Toutes les versions : sanaga release ls
        }
no-such-site = pas de site « { $site } »
    .hint =
        { $near ->
            [none] tous les sites : sanaga site ls
           *[other] vouliez-vous dire « { $near } » ? Tous les sites : sanaga site ls
        }
no-such-node = pas de nœud « { $node } »
    .hint =
        { $near ->
            [none] tous les nœuds : sanaga node ls
           *[other] vouliez-vous dire « { $near } » ? Tous les nœuds : sanaga node ls
        }
no-such-environment = pas d'environnement « { $environment } »
    .hint =
        { $near ->
            [none] il y a dev, staging et production
           *[other] vouliez-vous dire « { $near } » ?
        }
no-such-role = pas de rôle « { $role } »
    .hint =
        { $near ->
            [none] tous les rôles : sanaga key ls
           *[other] vouliez-vous dire « { $near } » ?
        }
no-such-key = pas de clé « { $key } »
    .hint =
        { $near ->
            [none] toutes les clés : sanaga key ls
           *[other] vouliez-vous dire « { $near } » ? Toutes les clés : sanaga key ls
        }
version-taken = { $release } est déjà publiée dans { $environment }, avec un autre contenu
    .hint = choisissez une autre version ; une version publiée ne change jamais
signatures-missing = { $role } a { $have } signature(s) sur { $need }
    .hint = demandez à une autre personne : sanaga sign { $role } --key FICHIER
wrong-passphrase = la phrase secrète n'ouvre pas { $key }
    .hint = essayez encore ; rien n'a été modifié
passphrase-short = une phrase secrète a au moins { $length_min } caractères
    .hint = choisissez-en une plus longue : quatre ou cinq mots conviennent
key-not-in-role = la clé { $key } ne peut pas signer pour { $role }
    .hint = signez avec une clé de ce rôle : sanaga key ls
nothing-pending = rien n'attend de signature dans { $role }
    .hint = ce qui attend : sanaga pending
bad-threshold = { $role } ne peut avoir un seuil de { $threshold } avec { $keys } clés
    .hint = nommez plus de clés ou un seuil plus bas
not-in-environment = { $node } est dans { $environment }, et { $release } n'y est pas signée
    .hint = promouvez-la d'abord : sanaga promote { $release } --to { $environment }
downgrade = { $node } fait tourner { $running } ; { $release } est plus ancienne
    .hint = publiez l'ancien contenu sous une nouvelle version, ou autorisez-le à la publication : --allow-downgrade-from
nobody = { $selector } ne désigne aucun nœud
    .hint = tous les nœuds : sanaga node ls
declined = non confirmé ; rien n'a été modifié
    .hint = ajoutez --yes pour continuer sans question
bad-request = { $problem }
    .hint = corrigez la demande ; rien n'a été modifié
name-taken = { $what } « { $name } » existe déjà
    .hint = choisissez un autre nom ; rien n'a été modifié
not-rehearsed = { $release } migre des données, et { $rehearsal } n'a pas montré : { $missing }
    .hint = faites-la tourner dans { $rehearsal }, laissez-la être validée, puis retirez-la une fois
internal = erreur interne : { $problem }
    .hint = signalez-la avec le journal
