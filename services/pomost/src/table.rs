//! Tables for people, aligned by column.

/// A table that is printed when all its rows are known.
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Table {
        Table(vec![headings.map(str::to_owned).to_vec()])
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.to_vec());
    }

    /// Prints it to standard output.
    #[expect(clippy::print_stdout, reason = "a command's data")]
    pub fn print(&self) {
        let widths = self.widths();
        for row in &self.0 {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line: Vec<String> = cells.collect();
            println!("{}", line.join("  ").trim_end());
        }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.0
                .iter()
                .map(|row: &Vec<String>| row[column].chars().count())
                .max()
        };
        (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect()
    }
}
