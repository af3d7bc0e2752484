//! Generated text that compresses like what people write: a small vocabulary with common and rare
//! words, the same few shapes of statement, indentation, and noise where images would be.

use crate::seed::Rng;

/// The seed of everything that all versions share.
pub(super) const SEED: u64 = 0x5341_4e41_4741;

/// How many script modules there are.
pub(super) const MODULES: u64 = 40;

/// How many images there are.
pub(super) const IMAGES: u64 = 12;

const AREAS: [&str; 5] = ["stock", "till", "customers", "reports", "sync"];

const WORDS: [&str; 48] = [
    "note",
    "row",
    "item",
    "price",
    "total",
    "shelf",
    "order",
    "client",
    "date",
    "stock",
    "count",
    "unit",
    "label",
    "page",
    "list",
    "filter",
    "sort",
    "query",
    "event",
    "state",
    "store",
    "cache",
    "draft",
    "entry",
    "title",
    "group",
    "field",
    "value",
    "index",
    "scan",
    "batch",
    "print",
    "ticket",
    "change",
    "amount",
    "remise",
    "facture",
    "quantite",
    "produit",
    "magasin",
    "caisse",
    "livraison",
    "fournisseur",
    "rayon",
    "pharmacie",
    "ordonnance",
    "lot",
    "peremption",
];

/// The folder of a module.
pub(super) fn area(module: u64) -> &'static str {
    let index = usize::try_from(module).unwrap_or(0) % AREAS.len();
    AREAS.get(index).copied().unwrap_or("stock")
}

/// The lines of a module, the same for every version.
pub(super) fn script(module: u64) -> Vec<String> {
    let mut rng = Rng::stream(SEED, &format!("module {module}"));
    let mut lines = vec![
        format!("// {} {module:02}: generated for the demo.", area(module)),
        "'use strict';".to_owned(),
    ];
    for _ in 0..60 + rng.below(120) {
        function(&mut rng, &mut lines);
    }
    lines
}

/// The lines of the bundle, before the edits of a version.
pub(super) fn bundle() -> Vec<String> {
    let mut rng = Rng::stream(SEED, "bundle");
    let mut lines = Vec::new();
    for _ in 0..900 {
        function(&mut rng, &mut lines);
    }
    lines
}

/// The lines of the style sheet, before the edits of a version.
pub(super) fn style() -> Vec<String> {
    let mut rng = Rng::stream(SEED, "style");
    let mut lines = Vec::new();
    for _ in 0..400 {
        lines.push(format!(".{}-{} {{", word(&mut rng), word(&mut rng)));
        lines.push(format!(
            "  margin: {}px {}px;",
            rng.below(32),
            rng.below(32)
        ));
        lines.push(format!("  color: #{:06x};", rng.below(0x0100_0000)));
        lines.push("}".to_owned());
    }
    lines
}

/// The start page.
pub(super) fn page(version: &str, bundle: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"fr\">\n<meta charset=\"utf-8\">\n<title>Cahier {version}</title>\n\
         <link rel=\"stylesheet\" href=\"style.css\">\n<img src=\"img/logo.png\" alt=\"\">\n\
         <h1>Cahier</h1>\n<script src=\"{bundle}\"></script>\n</html>\n"
    )
}

/// Bytes with the head of a PNG and the entropy of one.
pub(super) fn image(number: u64) -> Vec<u8> {
    let mut rng = Rng::stream(SEED, &format!("image {number}"));
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x02\0\0\0".to_vec();
    let length = usize::try_from(12_000 + rng.below(24_000)).unwrap_or(0);
    let mut noise = vec![0; length];
    rng.fill(&mut noise);
    bytes.append(&mut noise);
    bytes
}

/// Replaces some lines, as a version does.
pub(super) fn edit(lines: &mut [String], rng: &mut Rng, count: u64) {
    for _ in 0..count {
        let index = usize::try_from(rng.below(lines.len() as u64)).unwrap_or(0);
        let changed = statement(rng);
        if let Some(line) = lines.get_mut(index) {
            *line = changed;
        }
    }
}

fn function(rng: &mut Rng, lines: &mut Vec<String>) {
    lines.push(format!(
        "export function {}({}, {}) {{",
        name(rng),
        word(rng),
        word(rng)
    ));
    for _ in 0..2 + rng.below(7) {
        lines.push(statement(rng));
    }
    lines.push(format!("  return {};", name(rng)));
    lines.push("}".to_owned());
}

fn statement(rng: &mut Rng) -> String {
    match rng.below(5) {
        0 => format!(
            "  const {} = {}.{}({});",
            name(rng),
            word(rng),
            word(rng),
            rng.below(1000)
        ),
        1 => format!(
            "  if ({} > {}) {{ {}({}); }}",
            name(rng),
            rng.below(100),
            name(rng),
            word(rng)
        ),
        2 => format!(
            "  {}.push({{ {}: {}, {}: '{}' }});",
            word(rng),
            word(rng),
            rng.below(10_000),
            word(rng),
            word(rng)
        ),
        3 => format!(
            "  // {} {} {} {}",
            word(rng),
            word(rng),
            word(rng),
            word(rng)
        ),
        _ => format!(
            "  await {}('{}/{}', {});",
            name(rng),
            word(rng),
            word(rng),
            name(rng)
        ),
    }
}

fn name(rng: &mut Rng) -> String {
    let (first, second) = (word(rng), word(rng));
    let mut letters = second.chars();
    let head: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{head}{}", letters.as_str())
}

/// Common words come early in the list: the smaller of two draws favours them.
fn word(rng: &mut Rng) -> &'static str {
    let bound = WORDS.len() as u64;
    let index = rng.below(bound).min(rng.below(bound));
    usize::try_from(index)
        .ok()
        .and_then(|index| WORDS.get(index))
        .copied()
        .unwrap_or("note")
}
