//! Flow files.

/// A flow file, by the parts in which the behaviours differ.
pub(crate) struct Flow {
    /// `extract.request`.
    pub(crate) request: &'static str,
    /// `extract.records`.
    pub(crate) records: &'static str,
    /// More lines of `extract`.
    pub(crate) extract: &'static str,
    /// The lines of `transform`.
    pub(crate) transform: &'static str,
    /// More lines of `load`.
    pub(crate) load: &'static str,
    /// More of `load.create`.
    pub(crate) create: &'static str,
    /// `load.create` and `load.update`, instead of the usual ones.
    pub(crate) writes: &'static str,
    /// Further lines of the file.
    pub(crate) rest: &'static str,
}

/// A lookup of things by their field `key`.
pub(crate) const LOOKUP: &str = r#"lookup: { request: "GET /things?key={.key}", id: .found }"#;

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            request: "GET /rows",
            records: ".rows[]",
            extract: "",
            transform: "",
            load: "",
            create: "",
            writes: "",
            rest: "",
        }
    }
}

impl Flow {
    /// A flow that can look its records up at the destination.
    pub(crate) fn with_lookup() -> Flow {
        Flow {
            load: LOOKUP,
            ..Flow::default()
        }
    }

    pub(crate) fn text(&self) -> String {
        let Flow {
            request,
            records,
            rest,
            create,
            ..
        } = self;
        let extract = indented(self.extract);
        let transform = match self.transform {
            "" => String::new(),
            lines => format!("transform:\n{}", indented(lines)),
        };
        let load = indented(self.load);
        let create = indented(create);
        let writes = match self.writes {
            "" => &format!(
                "create:\n  request: POST /things\n  id: .id\n{create}update:\n  request: PUT /things/{{$id}}\n"
            ),
            writes => writes,
        };
        let writes = indented(writes);
        format!(
            "flow: things\nextract:\n  system: source\n  request: {request}\n  records: {records}\n  key: .key\n{extract}\
             {transform}load:\n  system: shop\n{writes}{load}{rest}\n"
        )
    }
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}
