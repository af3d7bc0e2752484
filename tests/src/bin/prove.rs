//! `prove NAME`: reproduces one figure that the documents state. `prove list` names them all.

use std::process::ExitCode;

use sanaga_tests::proofs::{self, Args, Verdict};
use sanaga_tests::seed;

const USAGE: &str = "usage: prove list\n       prove NAME [--long] [--seed N] [--json]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Ok(Request::List) => {
            print!("{}", proofs::list());
            ExitCode::SUCCESS
        }
        Ok(Request::Prove { name, args, json }) => prove(&name, &args, json),
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

enum Request {
    List,
    Prove {
        name: String,
        args: Args,
        json: bool,
    },
}

fn parse(words: &[String]) -> Result<Request, String> {
    let mut args = Args {
        long: false,
        seed: seed::chosen(),
    };
    let (mut name, mut json) = (None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--long" => args.long = true,
            "--json" => json = true,
            "--seed" => {
                let text = words.next().ok_or("--seed needs a number")?;
                args.seed = seed::parse(text).ok_or_else(|| format!("`{text}` is not a seed"))?;
            }
            flag if flag.starts_with('-') => return Err(format!("unknown flag `{flag}`")),
            _ if name.is_none() => name = Some(word.clone()),
            more => return Err(format!("one proof at a time: `{more}`")),
        }
    }
    match name.as_deref() {
        None => Err("which proof?".to_owned()),
        Some("list") => Ok(Request::List),
        Some(name) => Ok(Request::Prove {
            name: name.to_owned(),
            args,
            json,
        }),
    }
}

fn prove(name: &str, args: &Args, json: bool) -> ExitCode {
    let Some(proof) = proofs::find(name) else {
        eprintln!("no proof `{name}`. There are:\n{}", proofs::list());
        return ExitCode::from(2);
    };
    eprintln!(
        "{}: {}  (seed {}{})",
        proof.name,
        proof.shows,
        args.seed,
        if args.long { ", long" } else { "" }
    );
    let verdict = proofs::run(proof, args);
    if json {
        println!("{}", verdict.json(proof, args));
    } else {
        println!("{}", verdict.line(proof));
    }
    match verdict {
        Verdict::Done(outcome) if outcome.is_ok() => ExitCode::SUCCESS,
        Verdict::Done(_) | Verdict::Failed(_) => ExitCode::from(1),
        Verdict::CannotRun(_) => ExitCode::from(77),
    }
}
