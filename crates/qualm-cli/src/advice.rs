//! Which flag helps: what the library cannot know about its errors.

use qualm_data::{ColumnNote, Error, Role};
use qualm_report::Error as PageError;

/// A few words on the flags that an error has to do with, if any.
pub(crate) fn advice(error: &anyhow::Error) -> Option<String> {
    let mut causes = error.chain();
    causes.find_map(|cause| match cause.downcast_ref::<Error>() {
        Some(Error::Core(error)) => core(error),
        Some(error) => data(error),
        None => match cause.downcast_ref::<PageError>() {
            Some(error) => page(error),
            None => core(cause.downcast_ref()?),
        },
    })
}

fn page(error: &PageError) -> Option<String> {
    let text = match error {
        PageError::Core(error) => return core(error),
        PageError::Data(error) => {
            return match error.as_ref() {
                Error::Core(error) => core(error),
                error => data(error),
            };
        }
        PageError::NotOurs { .. } => "--force overwrites it",
        PageError::NoClasses => "--class COLUMN names it",
        PageError::NoViews => "qualm embed --views N",
        PageError::NoFiles => "--images DIR",
        PageError::NoImageIds { .. } => "--item COLUMN names it",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Which flag changes what a note on columns says, if any.
pub(crate) fn on_columns(note: &ColumnNote) -> Option<&'static str> {
    Some(match note {
        ColumnNote::NotUsed { .. } if note.is_warning() => {
            "correct the file, say with --columns which to use, or make features of text and dates with \
             --encode and --dates"
        }
        ColumnNote::Cut { .. } => "--max-categories keeps more",
        ColumnNote::NumericHeader { .. } => "--no-header, if it is a row of data",
        ColumnNote::Label { .. } => "--label NAME keeps it out of the features",
        ColumnNote::Id { .. } => {
            "--id NAME copies it to the scores instead, --exclude NAME leaves it out"
        }
        ColumnNote::Constant { .. } => "--exclude NAME leaves it out",
        _ => return None,
    })
}

fn core(error: &qualm::Error) -> Option<String> {
    let text = match error {
        qualm::Error::ConstantScores { .. } => {
            "--set sets them, qualm info lists a model's keys".to_owned()
        }
        qualm::Error::TooManyStreams { .. } => "--max-streams allows more".to_owned(),
        qualm::Error::Memory { lighter, .. } if !lighter.is_empty() => {
            "keys are set with --set KEY=VALUE".to_owned()
        }
        // A file of the other family.
        qualm::Error::CorruptModel {
            part,
            found,
            expected,
            ..
        } if part == "format" => match (found.as_str(), expected.as_str()) {
            ("'qualm-ood'", "'qualm-model'") => {
                "it was written by qualm ood fit: qualm ood score scores with it".to_owned()
            }
            ("'qualm-model'", "'qualm-ood'") => {
                "it was written by qualm fit: qualm score scores with it".to_owned()
            }
            _ => return None,
        },
        qualm::Error::MissingInput { .. } => {
            "qualm ood list shows what each detector needs".to_owned()
        }
        _ => return None,
    };
    Some(text)
}

fn data(error: &Error) -> Option<String> {
    Some(match error {
        Error::Several { first, .. } => return data(first),
        Error::Core(error) => return core(error),
        Error::NotANumber { found, .. } => return Some(on_text(found)),
        Error::NotAVector { .. } => "--exclude leaves a column out of the fit".to_owned(),
        Error::Missing { .. } => "fit with --missing drop or --missing median allows for missing values, \
             score --on-error skip leaves such rows out, --exclude leaves a column out of the fit"
            .to_owned(),
        Error::UnknownCategory { .. } => {
            "fit with --unknown other takes them for none of the known ones, score --on-error skip \
             leaves such rows out"
                .to_owned()
        }
        Error::NothingThere { .. } | Error::NothingLeft { .. } => {
            "--exclude leaves a column out of the fit".to_owned()
        }
        Error::BadLabel { found, .. } if !found.is_empty() => {
            "--positive names the label of outliers, such as --positive fraud, or -1, which scikit-learn \
             writes"
                .to_owned()
        }
        Error::WrongSeparator { .. } => "--delimiter names the one that it has".to_owned(),
        Error::NoHeader { .. } => "--no-header takes it as a row of data".to_owned(),
        Error::NoHeaderHere { .. } => "asked for with --no-header".to_owned(),
        Error::SeveralVectors { .. } => "--vector chooses one".to_owned(),
        Error::ColumnType {
            role: Role::Feature | Role::ModelFeature,
            ..
        } => "a vector is chosen with --vector".to_owned(),
        Error::BadClass { .. } => "the column of classes is chosen with --label".to_owned(),
        Error::NoSuchColumn { role, .. }
        | Error::NamedTwice { role, .. }
        | Error::ColumnType { role, .. } => format!("asked for with {}", flag(*role)?),
        Error::Conflict { first, second, .. } => {
            let flags: Vec<_> = [*first, *second].into_iter().filter_map(flag).collect();
            format!("asked for with {}", flags.join(" and "))
        }
        Error::VectorAndColumns { .. } => "asked for with --columns and --vector".to_owned(),
        Error::NotInModel { .. } => "asked for with --columns".to_owned(),
        Error::OutputTwice { .. } => {
            "ids are asked for with --id, the label with --label".to_owned()
        }
        _ => return None,
    })
}

/// What helps where text stands in a column of numbers.
fn on_text(found: &str) -> String {
    const NA: [&str; 8] = ["na", "n/a", "null", "none", "nan", "nil", "?", "-"];
    let is_digit = |c: char| c.is_ascii_digit();
    if NA.contains(&found.to_lowercase().as_str()) {
        format!("--na '{found}' takes it for a missing value when a model is fitted")
    } else if found.contains(is_digit) && found.contains(',') {
        "--thousands , reads 1,234.50 and --decimal , reads 0,5".to_owned()
    } else {
        "--exclude leaves a column out of the fit".to_owned()
    }
}

/// The flag that asks for a column in a role.
fn flag(role: Role) -> Option<&'static str> {
    Some(match role {
        Role::Feature => "--columns",
        Role::Excluded => "--exclude",
        Role::Label | Role::Classes => "--label",
        Role::Id => "--id",
        Role::Kept => "--keep",
        Role::Vector => "--vector",
        Role::Scores => "--score",
        Role::Time => "--time",
        Role::Stream => "--stream",
        Role::LayerFeatures => "--features",
        Role::Logits => "--logits",
        _ => return None,
    })
}
