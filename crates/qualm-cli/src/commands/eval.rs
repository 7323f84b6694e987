//! `qualm eval`.

use anyhow::{Context, Result, bail};
use qualm::reports::EvalReport;
use qualm::stats::Metrics;
use qualm::{Device, Fitted};
use qualm_data::{Selection, read_scores, score};

use crate::args;
use crate::columns::check_encoder;
use crate::metrics;
use crate::notes;
use crate::output::Output;
use crate::paths::check_model;
use crate::pipeline::{self, open_for};

pub(crate) fn run(args: &args::Eval, output: Output) -> Result<()> {
    let rows = args.input.as_ref().unwrap_or(&args.scores);
    let named = || rows.display().to_string();
    let (scores, labels) = if let Some(input) = &args.input {
        check_model("eval", &args.scores, Some(input))?;
        let device = args.device.unwrap_or(Device::Cpu);
        let fitted = Fitted::load(&args.scores)?.to_device(device)?;
        check_encoder(&fitted, input)?;
        let selection = Selection {
            ids_if_present: fitted.roles().ids.clone(),
            label: Some(args.label.clone()),
            read_label: true,
            positive: args.positive.clone(),
            vector: args.vector.clone(),
            no_header: args.no_header,
            text: args.text.format()?,
            ..Selection::default()
        };
        let open = open_for(&fitted, std::slice::from_ref(input), selection);
        let (input, batches) = pipeline::open(open)?;
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        pipeline::run(
            batches,
            |batch| {
                let new = score(&fitted, &batch)?;
                Ok((new, batch.labels.unwrap_or_default()))
            },
            |(new, truths)| {
                scores.extend(new);
                labels.extend(truths);
                Ok(())
            },
        )?;
        notes::on_score(&input.notes.all(), output);
        (scores, labels)
    } else {
        if let Some((flag, _)) = args.text.given().iter().find(|(_, given)| *given) {
            bail!("{flag} is about rows to score: name them after the model");
        }
        if args
            .scores
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("qualm"))
        {
            bail!(
                "{}: is a model; name the labelled rows too: qualm eval MODEL.qualm INPUT --label {}",
                args.scores.display(),
                args.label
            );
        }
        read_scores(
            &args.scores,
            args.score.as_deref().unwrap_or("score"),
            &args.label,
            args.positive.as_deref(),
        )?
    };
    let metrics = Metrics::compute(&scores, &labels).with_context(named)?;
    output.result(&EvalReport::new(metrics), || metrics::table(&metrics))
}
