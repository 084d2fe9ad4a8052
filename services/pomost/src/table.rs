//! Tables for people, aligned by column.

/// A table that is printed when all its rows are known.
pub struct TextTable {
    /// The headings, then the rows.
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> TextTable {
        TextTable {
            rows: vec![headings.map(str::to_owned).to_vec()],
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints the table to standard output.
    #[expect(clippy::print_stdout, reason = "a command's data")]
    pub fn print(&self) {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line: Vec<String> = cells.collect();
            println!("{}", line.join("  ").trim_end());
        }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row: &Vec<String>| row[column].chars().count())
                .max()
        };
        (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect()
    }
}
