//! `sanaga init`: found a repository.

use std::path::PathBuf;

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::KeyName;
use sanaga_proto::trust::{KeyKind, MemorySigner, PublicKey, Signer as _, add_signature};

use super::format;
use super::hold::bad_name;
use super::passphrase::PassphraseArgs;
use super::session::{context_with, now_s, user_name};
use super::ui::Ui;
use crate::fleet::{Price, Store as _};
use crate::home::Home;
use crate::keys::ceremony::Founders;
use crate::keys::file::{KeyFolder, open};
use crate::ops::{Actor, Draft, Founded, Founding, found};
use crate::server_keys::ServerKeys;

/// Found a repository
#[derive(Debug, Args)]
pub struct InitArgs {
    /// What people call it
    #[arg(long, default_value = "Sanaga")]
    name: String,
    /// Where nodes reach this controller [default: https://HOSTNAME:8443]
    #[arg(long)]
    url: Option<String>,
    /// A web server that nodes fetch packs from, the preferred one first [default: the controller]
    #[arg(long = "content-url", value_name = "URL")]
    content_urls: Vec<String>,
    /// How many people hold keys: 1 to try it out, 3 for production
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    people: u8,
    /// Their names, which name their key files [default: this user]
    #[arg(long = "person", value_name = "NAME")]
    persons: Vec<KeyName>,
    /// Make P-256 keys in the place of Ed25519
    #[arg(long)]
    p256: bool,
    /// What a megabyte costs at the sites
    #[arg(long, value_name = "AMOUNT", default_value = "1.0")]
    price_per_mb: String,
    /// The currency of that price
    #[arg(long, default_value = "XAF")]
    currency: String,
    /// The name of the key of the build system, which signs dev alone; with one person there is none
    #[arg(long, value_name = "NAME", default_value = "ci")]
    ci: KeyName,
    /// Read a passphrase from the first line of this file; given again, the next key has another
    #[arg(long, value_name = "FILE", env = "SANAGA_PASSPHRASE_FILE")]
    passphrase_file: Vec<PathBuf>,
    /// Read the passphrase of all keys from the first line of this open descriptor
    #[arg(long, value_name = "N", conflicts_with = "passphrase_file")]
    passphrase_fd: Option<u32>,
}

impl InitArgs {
    fn kind(&self) -> KeyKind {
        if self.p256 {
            KeyKind::P256
        } else {
            KeyKind::Ed25519
        }
    }

    /// Where the passphrase of a key comes from: the files are in the order of the keys, and the
    /// last one serves for the rest.
    fn passphrase(&self, number: usize) -> PassphraseArgs {
        let files = &self.passphrase_file;
        PassphraseArgs {
            passphrase_file: files.get(number).or_else(|| files.last()).cloned(),
            passphrase_fd: self.passphrase_fd,
        }
    }
}

/// Founds it.
pub async fn run(ui: &mut Ui, home: &Home, args: InitArgs) -> Result<(), Failure> {
    let url = match &args.url {
        Some(url) => check_url(url)?,
        None => default_url(),
    };
    let content_urls = args.content_urls.iter().map(|url| check_content_url(url));
    let content_urls = content_urls.collect::<Result<Vec<_>, _>>()?;
    let price = parse_price(&args.price_per_mb, &args.currency)?;
    let names = names(&args)?;
    if names.len() > 1 && names.contains(&args.ci) {
        return Err(Failure::new(code::NAME_TAKEN)
            .arg("what", "key")
            .arg("name", &args.ci));
    }
    home.create()?;
    let Some(_lock) = home.lock()? else {
        return Err(Failure::new(code::LOCKED).arg("path", home.path().display()));
    };
    if home.database().exists() {
        let store = crate::fleet::Sqlite::open(&home.database()).map_err(Failure::of)?;
        if store.controller().await.is_ok() {
            let path = home.path().display();
            return Err(Failure::new(code::ALREADY_INITIALISED).arg("path", path));
        }
    }
    let kind = args.kind();
    let mut signers = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let passphrase = args.passphrase(number);
        signers.push(person(ui, home, name, kind, &passphrase, names.len() > 1)?);
    }
    let keys = ServerKeys::create(&home.server(), &args.name)?;
    let mut people: Vec<PublicKey> = signers.iter().map(|s| s.public().clone()).collect();
    let founders = match people.as_slice() {
        [_] => Founders::One(people.remove(0)),
        _ => {
            // The build system publishes to dev by itself, and must not be able to do more.
            let passphrase = args.passphrase(names.len());
            let ci = person(ui, home, &args.ci, kind, &passphrase, true)?;
            let public = ci.public().clone();
            signers.push(ci);
            Founders::People {
                people,
                ci: Some(public),
            }
        }
    };
    let founding = Founding {
        name: args.name,
        url,
        content_urls,
        price,
        founders,
    };
    let now_s = i64::try_from(now_s()).unwrap_or(i64::MAX);
    let mut draft = Draft::of(&founding, &keys, now_s)?;
    for file in &mut draft.files {
        for signer in &signers {
            if file.signed_by(&signer.public().id()) {
                file.bytes = add_signature(&file.bytes, signer).map_err(Failure::of)?;
            }
        }
    }
    let context = context_with(home, keys)?;
    let actor = Actor::local(&user_name(), Some(rustix::process::getuid().as_raw()));
    let founded = found(&context, &actor, &founding, draft).await?;
    let ci = (names.len() > 1).then_some(&args.ci);
    report(ui, home, &names, ci, &founded)
}

fn report(
    ui: &Ui,
    home: &Home,
    names: &[KeyName],
    ci: Option<&KeyName>,
    founded: &Founded,
) -> Result<(), Failure> {
    let answer = serde_json::json!({
        "home": home.path(),
        "repository": founded.repository,
        "keys": names,
        "ci": ci,
    });
    ui.json(&answer, None)?;
    let path = format::path(home.path(), ui.user_home.as_deref());
    let digest = format::digest_ends(&founded.repository);
    ui.data(&ui.say("init-created", &[("path", &path)]));
    for name in names {
        ui.data(&ui.say("init-key", &[("name", name.as_str())]));
    }
    if let Some(ci) = ci {
        ui.data(&ui.say("init-ci", &[("name", ci.as_str())]));
    }
    let people = if names.len() > 1 { "many" } else { "one" };
    ui.data(&ui.say("init-environments", &[("people", people)]));
    ui.data(&ui.say("init-root", &[("digest", &digest)]));
    let missing = 3usize.saturating_sub(names.len());
    if missing > 0 {
        ui.tell("init-trying", &[("missing", &missing.to_string())]);
    }
    ui.next("sanaga serve");
    Ok(())
}

/// Makes a person's key, or opens the one that an interrupted `init` left.
fn person(
    ui: &Ui,
    home: &Home,
    name: &KeyName,
    kind: KeyKind,
    passphrase: &PassphraseArgs,
    several: bool,
) -> Result<MemorySigner, Failure> {
    let folder = KeyFolder::new(&home.keys());
    if let Ok(existing) = folder.find(name.as_str()) {
        let passphrase = passphrase.existing(ui, name.as_str())?;
        return open(&existing.path, &passphrase).map_err(Failure::of);
    }
    let prompt = if several {
        ui.say("passphrase-new-named", &[("name", name.as_str())])
    } else {
        ui.say("passphrase-new", &[])
    };
    let passphrase = passphrase.new_key(ui, &prompt)?;
    let made = folder
        .create(name, kind, &passphrase)
        .map_err(Failure::of)?;
    open(&made.path, &passphrase).map_err(Failure::of)
}

fn names(args: &InitArgs) -> Result<Vec<KeyName>, Failure> {
    let count = usize::from(args.people).max(args.persons.len());
    let mut names = args.persons.clone();
    if names.is_empty() {
        names.push(file_name(&user_name()).parse().map_err(bad_name)?);
    }
    for number in names.len() + 1..=count {
        names.push(format!("person-{number}").parse().map_err(bad_name)?);
    }
    Ok(names)
}

/// A user's name as the name of a key.
fn file_name(user: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    user.to_lowercase().chars().map(plain).collect()
}

fn default_url() -> String {
    let node = rustix::system::uname();
    format!("https://{}:8443", node.nodename().to_string_lossy())
}

fn check_url(url: &str) -> Result<String, Failure> {
    let rule = "must be written https://HOST:PORT";
    check(url, rule, |uri| {
        uri.scheme_str() == Some("https") && uri.path() == "/"
    })
}

/// Packs prove themselves, so that they may come from anywhere, and over plain HTTP too.
fn check_content_url(url: &str) -> Result<String, Failure> {
    let rule = "must be written http://HOST:PORT/PATH or https://HOST:PORT/PATH";
    check(url, rule, |uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
    })
}

fn check(url: &str, rule: &str, fits: impl Fn(&http::Uri) -> bool) -> Result<String, Failure> {
    let trimmed = url.trim_end_matches('/');
    let fits = trimmed.parse::<http::Uri>().is_ok_and(|uri| {
        uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none() && fits(&uri)
    });
    if fits {
        return Ok(trimmed.to_owned());
    }
    Err(Failure::new(code::BAD_NAME)
        .arg("what", "URL")
        .arg("value", url)
        .arg("rule", rule))
}

/// `1.0` or `2,5` of a currency, in thousandths.
fn parse_price(amount: &str, currency: &str) -> Result<Price, Failure> {
    let bad = || {
        Failure::new(code::BAD_NAME)
            .arg("what", "price")
            .arg("value", amount)
            .arg("rule", "must be a number such as 1.0")
    };
    let (whole, rest) = amount.split_once(['.', ',']).unwrap_or((amount, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) || whole.len() > 9 || rest.len() > 3 {
        return Err(bad());
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| bad());
    Ok(Price {
        thousandths_per_mb: number(whole)? * 1_000 + number(&format!("{rest:0<3}"))?,
        currency: currency.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_prices_are_checked() {
        assert_eq!(
            check_url("https://a.cm:8443/").unwrap(),
            "https://a.cm:8443"
        );
        for bad in [
            "http://a.cm",
            "a.cm:8443",
            "https://a.cm/x",
            "https://",
            "https://a?b",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
        assert_eq!(
            check_content_url("http://a.cm/sanaga/").unwrap(),
            "http://a.cm/sanaga"
        );
        for bad in ["ftp://a.cm", "a.cm", "http://", "http://a?b"] {
            assert!(check_content_url(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_price("1.0", "XAF").unwrap().to_string(), "1.0 XAF/MB");
        assert_eq!(
            parse_price("2,25", "XAF").unwrap().thousandths_per_mb,
            2_250
        );
        assert_eq!(parse_price("3", "XAF").unwrap().thousandths_per_mb, 3_000);
        for bad in ["", "-1", "1.0000", "x", "1.", "99999999999"] {
            assert!(parse_price(bad, "XAF").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_users_name_becomes_a_key_name() {
        assert_eq!(file_name("Ada Ngo"), "ada-ngo");
        assert!(file_name("Ada Ngo").parse::<KeyName>().is_ok());
    }
}
