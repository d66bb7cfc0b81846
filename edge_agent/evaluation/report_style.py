"""How the report looks, and the legend that says what its marks mean."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: #1f2a33; font: 15px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 80px; }
h1 { margin: 0; font-size: 28px; }
h2 { margin: 0 0 6px; font-size: 20px; }
h3 { margin: 0; font-size: 14px; font-weight: 500; }
.lead { margin: 2px 0 18px; color: #607080; }
section, .wide, .legend { background: #fff; border: 1px solid #dde3e8; border-radius: 10px; padding: 16px 18px;
  margin: 0 0 18px; }
.wide { overflow-x: auto; padding: 6px 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid #edf0f3; white-space: nowrap; }
thead th { white-space: normal; color: #607080; font-weight: 500; vertical-align: bottom; }
tr > th:first-child { text-align: left; font-weight: 500; }
tfoot th, tfoot td { font-weight: 700; border-bottom: 0; border-top: 2px solid #b8c4ce; }
td.bad { color: #c62828; font-weight: 700; } a { color: #1565c0; text-decoration: none; }
.dim, .dim td { color: #8090a0; } .dim td { text-align: left; white-space: normal; }
.chip { display: inline-block; padding: 1px 10px; margin-right: 4px; border-radius: 99px; background: #e8edf1;
  font-size: 13px; }
.chip.good { background: #dff1e0; } .chip.bad { background: #fbdfdf; color: #a01515; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #1f2a33; }
svg .label { font-weight: 600; } svg .bad { fill: #c62828; } svg .sub { fill: #708090; font-size: 11px; }
svg .delay { fill: #fff; font-size: 9px; } svg .state { fill: #fff; font-size: 8.5px; }
svg .grid { stroke: #edf0f3; } svg .due { stroke: #000; stroke-width: 1.5; stroke-dasharray: 3 2; }
svg .tick { stroke: #455a64; stroke-width: 1; opacity: .7; }
svg .limit { stroke: #c62828; stroke-dasharray: 4 3; opacity: .6; }
svg .true { fill: none; stroke: #1565c0; stroke-width: 2; }
svg .measured { fill: none; stroke: #ef6c00; stroke-width: 1.5; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(540px, 1fr)); gap: 14px; margin-top: 12px; }
article { border: 1px solid #dde3e8; border-left: 5px solid #2e7d32; border-radius: 6px; padding: 10px 12px; }
article.missed, article.false { border-left-color: #c62828; } article.duplicate { border-left-color: #ef6c00; }
article.ambiguous { border-left-color: #9e9e9e; } article p { margin: 2px 0 8px; color: #506070; font-size: 13px; }
article b { text-transform: capitalize; margin-right: 4px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; } figure { margin: 0; }
figcaption { font-size: 12px; color: #607080; }
.none { background: #eceff1; padding: 50px 10px; text-align: center; color: #8090a0; }
.still { border-radius: 4px; background: #000; } .still * { vector-effect: non-scaling-stroke; }
.zone { fill: #ffeb3b22; stroke: #fdd835; stroke-width: 1.2; }
.truebox { fill: none; stroke: #42a5f5; stroke-width: 2; }
.givenbox { fill: none; stroke: #ff7043; stroke-width: 2; stroke-dasharray: 5 3; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 13px; color: #405060; }
.legend i { display: inline-block; width: 22px; height: 9px; border-radius: 2px; margin-right: 6px; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""

LEGEND = """<svg width="0" height="0" style="position:absolute"><defs>
<pattern id="gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#eceff1"/><rect width="2" height="6" fill="#b0bec5"/></pattern></defs></svg>
<div class="legend">
<span><i style="background:#1565c0"></i>stood there in truth (pale: may have)</span>
<span><i style="background:#000;width:2px;height:14px"></i>its limit is over</span>
<span><i style="background:#455a64;width:2px;height:9px"></i>a detection there, longer for a better score</span>
<span><i style="background:#5c8fc9"></i>memory: observed (pale: candidate)</span>
<span><i style="background:#b39ddb"></i>occluded</span>
<span><i style="background:#bdbdbd"></i>unknown</span>
<span><i style="background:#2e7d32"></i>incident, found</span>
<span><i style="background:#c62828"></i>false</span>
<span><i style="background:#ef6c00"></i>duplicate</span>
<span><i style="background:#1565c0;height:2px;vertical-align:middle"></i>true clear width</span>
<span><i style="background:#ef6c00;height:2px;vertical-align:middle"></i>measured (a gap: unknown)</span>
<span><i style="border-top:2px dashed #c62828;height:0;vertical-align:middle"></i>limits of width</span>
<span><i style="background:#37474f"></i>camera cannot tell</span>
<span><i style="background:repeating-linear-gradient(45deg,#b0bec5 0 2px,#eceff1 2px 6px)"></i>no frames</span>
</div>"""
