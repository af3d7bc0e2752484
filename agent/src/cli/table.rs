//! Tables for terminals: columns aligned by the width that characters take on the screen.

use unicode_width::UnicodeWidthStr as _;

/// How a cell is meant; shown as colour where there is some, and never only so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Notice,
    /// Something must be done.
    Bad,
}

impl Tone {
    /// The text, in the tone's colour when there are colours.
    #[must_use]
    pub fn paint(self, text: &str, colour: bool) -> String {
        let number = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => 32,
            Self::Notice => 33,
            Self::Bad => 31,
        };
        if colour {
            format!("\u{1b}[{number}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }
}

/// A table with a heading.
#[derive(Debug, Default)]
pub struct Table {
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: Vec<String>) -> Self {
        let mut table = Self::default();
        table.row(headings.into_iter().map(Cell::from).collect());
        table
    }

    /// Column `index` never gets narrower than this, so that it stands still while its values grow.
    #[must_use]
    pub fn width_min(mut self, index: usize, width: usize) -> Self {
        if let Some(known) = self.widths.get_mut(index) {
            *known = width.max(*known);
        }
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        for (index, cell) in cells.iter().enumerate() {
            let width = cell.text.width();
            match self.widths.get_mut(index) {
                Some(known) => *known = width.max(*known),
                None => self.widths.push(width),
            }
        }
        self.rows.push(cells);
    }

    /// The lines, without spaces at their ends.
    #[must_use]
    pub fn lines(&self, colour: bool) -> Vec<String> {
        self.rows.iter().map(|row| self.line(row, colour)).collect()
    }

    fn line(&self, row: &[Cell], colour: bool) -> String {
        let mut out = String::new();
        let mut gap = 0;
        for (cell, width) in row.iter().zip(&self.widths) {
            // The gap of a cell is written only before one that says something.
            if !cell.text.is_empty() {
                out.push_str(&" ".repeat(gap));
                out.push_str(&cell.tone.paint(&cell.text, colour));
                gap = 0;
            }
            gap += width.saturating_sub(cell.text.width()) + 2;
        }
        out
    }
}

/// `text`, filled with spaces to `width` on the screen.
#[must_use]
pub fn padded(text: &str, width: usize) -> String {
    let fill = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(headings(&["APPLI", "ÉTAT", "PRÉCÉDENTE"])).width_min(1, 6);
        table.row(vec!["boutique".into(), "é".into(), "1.4.2".into()]);
        table.row(vec!["倉庫".into(), Cell::default(), "1".into()]);
        table.row(vec!["x".into(), "prêt".into(), Cell::default()]);
        assert_eq!(
            table.lines(false),
            [
                "APPLI     ÉTAT    PRÉCÉDENTE",
                "boutique  é       1.4.2",
                "倉庫              1",
                "x         prêt",
            ]
        );
    }

    #[test]
    fn colour_does_not_move_the_columns() {
        let mut table = Table::new(headings(&["A", "B"]));
        let good = Cell {
            text: "yes".to_owned(),
            tone: Tone::Good,
        };
        table.row(vec![good, "z".into()]);
        assert_eq!(table.lines(true), ["A    B", "\u{1b}[32myes\u{1b}[0m  z"]);
        assert_eq!(table.lines(false), ["A    B", "yes  z"]);
    }
}
