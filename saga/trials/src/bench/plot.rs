//! Latency against load, drawn as SVG: one line for each share of orders.

use std::fmt::Write as _;

use super::Load;
use super::report::Measured;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Left, top, right and bottom of the drawing: what is around it holds the labels.
const FRAME: [f64; 4] = [64.0, 24.0, 640.0, 352.0];
/// The lines: a figure, its label, its colour.
const LINES: [(&str, &str, &str); 3] =
    [("ms.p50", "p50", "#1b7837"), ("ms.p99", "p99", "#2166ac"), ("ms.p99.9", "p99.9", "#b2182b")];

/// Where values of the axes lie.
struct Scale {
    most_load: f64,
    /// Powers of ten: from the one below the least latency to the one above the greatest.
    decades: (i32, i32),
}

/// Draws what was measured under each load; the latency's axis is logarithmic.
pub(super) fn svg(measured: &[Measured]) -> String {
    let curves = LINES.map(|(name, label, colour)| (points(measured, name), label, colour));
    let scale = Scale::of(curves.iter().flat_map(|(points, ..)| points));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    scale.axes(&mut svg, unit(measured));
    for (points, label, colour) in curves {
        scale.curve(&mut svg, &points, label, colour);
    }
    svg + "</svg>\n"
}

/// Load and latency, where both are known.
fn points(measured: &[Measured], name: &str) -> Vec<(f64, f64)> {
    let point = |of_load: &Measured| {
        let load = match of_load.load {
            Load::InFlight(clients) => clients as f64,
            Load::Rate(rate) => rate,
        };
        Some((load, of_load.figures.get(name)?.median))
    };
    measured.iter().filter_map(point).collect()
}

fn unit(measured: &[Measured]) -> &'static str {
    match measured.first().map(|of_load| of_load.load) {
        Some(Load::InFlight(_)) => "orders in flight",
        Some(Load::Rate(_)) | None => "orders a second",
    }
}

impl Scale {
    fn of<'a>(points: impl Iterator<Item = &'a (f64, f64)> + Clone) -> Self {
        let most_load = points.clone().map(|(load, _)| *load).fold(1.0, f64::max);
        let least = points.clone().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
        let most = points.map(|(_, ms)| *ms).fold(1.0, f64::max);
        let least = if least.is_finite() { least.max(0.1) } else { 1.0 };
        Self { most_load, decades: (least.log10().floor() as i32, most.log10().ceil() as i32) }
    }

    fn x(&self, load: f64) -> f64 {
        let [left, _, right, _] = FRAME;
        left + (right - left) * load / self.most_load
    }

    fn y(&self, ms: f64) -> f64 {
        let [_, top, _, bottom] = FRAME;
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1.max(self.decades.0 + 1)));
        bottom - (bottom - top) * (ms.log10() - low) / (high - low)
    }

    fn axes(&self, svg: &mut String, unit: &str) {
        let [left, top, right, bottom] = FRAME;
        for decade in self.decades.0..=self.decades.1.max(self.decades.0 + 1) {
            let ms = 10_f64.powi(decade);
            let y = self.y(ms);
            let _memory = writeln!(
                svg,
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ms} ms</text>",
                left - 6.0,
                y + 4.0
            );
        }
        for tick in 0..=5 {
            let load = self.most_load * f64::from(tick) / 5.0;
            let (x, y) = (self.x(load), bottom + 16.0);
            let _memory = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{load:.0}</text>");
        }
        let _memory = writeln!(
            svg,
            "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"black\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{unit}</text>",
            f64::midpoint(left, right),
            bottom + 36.0
        );
    }

    fn curve(&self, svg: &mut String, points: &[(f64, f64)], label: &str, colour: &str) {
        let at = |&(load, ms): &(f64, f64)| (self.x(load), self.y(ms));
        let path: Vec<String> = points.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _memory = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in points.iter().map(at) {
            let _memory = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        if let Some((x, y)) = points.last().map(at) {
            let (x, y) = (x + 8.0, y + 4.0);
            let _memory = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{label}</text>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Run;
    use super::*;

    #[test]
    fn a_point_lies_where_its_load_and_latency_are() {
        let measured: Vec<Measured> = [(100.0, 10.0), (200.0, 100.0)]
            .map(|(rate, ms)| {
                let mut of_load = Measured::of(Load::Rate(rate));
                let mut run = Run::default();
                run.set("ms.p50", ms);
                of_load.figures.add(run);
                of_load
            })
            .to_vec();
        let svg = svg(&measured);
        // Half way to the right at the bottom, then at the right end at the top.
        assert!(svg.contains("points=\"352.0,352.0 640.0,24.0\""), "{svg}");
        assert!(svg.contains("orders a second") && svg.contains(">10 ms<") && svg.ends_with("</svg>\n"));
    }
}
