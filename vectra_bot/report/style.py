"""The style of a report's page: light and dark, readable from a phone's width to a wide screen's."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
.vectra-report{--bg:#fff;--panel:#f6f7f9;--line:#d9dde3;--text:#1b1f24;--soft:#57606a;--pnl:#0062a3;
--expected:#8a5a00;--band:#0072b233;--price:#3b4252;--good:#0a7a4f;--bad:#b3261e;--rug:#b3261e;--side:#8f4fa8;
--l2:#0a7a4f;--l3:#b0480a;--l4:#7a5c00;--l5:#5b5fc7;--l6:#a12a6b;--l7:#3b4252;
box-sizing:border-box;background:var(--bg);color:var(--text);max-width:1480px;margin:0 auto;padding:16px;
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){.vectra-report{--bg:#14171c;--panel:#1d2229;--line:#363d47;--text:#e6e9ee;
--soft:#a3acb8;--pnl:#56b4e9;--expected:#f0b64d;--band:#56b4e933;--price:#cfd6e0;--good:#4cc38a;--bad:#ff8177;
--rug:#ff8177;--side:#d6a3e8;
--l2:#4cc38a;--l3:#ff9b5e;--l4:#e3cf57;--l5:#a8abff;--l6:#f79ac8;--l7:#cfd6e0}}
.vectra-report *{box-sizing:border-box}
.vectra-report h1{font-size:1.6rem;margin:0 0 2px}
.vectra-report h2{font-size:1rem;margin:0 0 8px}
.vectra-report p{margin:6px 0 0;color:var(--soft)}
.vectra-report header{margin-bottom:14px}
.vectra-report .error{color:var(--bad);border:1px solid var(--bad);border-radius:8px;padding:8px 12px;
margin:0 0 14px}
.vectra-report .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px}
.vectra-report .tile,.vectra-report section{background:var(--panel);border:1px solid var(--line);
border-radius:10px;
padding:12px 14px;min-width:0}
.vectra-report .tile h2{color:var(--soft);font-size:.82rem;font-weight:600;margin:0}
.vectra-report .tile p{font-size:.82rem;margin:0}
.vectra-report .tile .big{font-size:1.12rem;font-weight:650;color:var(--text);
font-variant-numeric:tabular-nums}
.vectra-report .good .big{color:var(--good)}
.vectra-report .bad .big{color:var(--bad)}
.vectra-report section{margin-top:14px}
.vectra-report .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));
gap:0 14px;
align-items:start}
.vectra-report .tables{display:block;columns:330px;column-gap:14px;margin-top:14px}
.vectra-report .tables section{break-inside:avoid;margin:0 0 14px}
.vectra-report table{border-collapse:collapse;width:100%;background:none;font-size:.9rem;margin:0}
.vectra-report tr{background:none}
.vectra-report th,.vectra-report td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;
border:0;border-top:1px solid var(--line);font-weight:400}
.vectra-report th{color:var(--soft);overflow-wrap:break-word}
.vectra-report tr:first-child>*{border-top:0}
.vectra-report td{font-variant-numeric:tabular-nums}
.vectra-report code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:none;
color:inherit;
padding:0}
.vectra-report summary{cursor:pointer;color:var(--soft);margin-top:6px}
.vectra-report .legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.8rem;color:var(--soft);
margin-bottom:6px}
.vectra-report .legend span{display:inline-flex;align-items:center;gap:6px}
.vectra-report .key{display:inline-block;width:16px;height:0;border-top:2px solid var(--price)}
.vectra-report .key.pnl{border-color:var(--pnl)}
.vectra-report .key.expected{border-top-style:dashed;border-color:var(--expected)}
.vectra-report .key.band{height:10px;border:0;background:var(--band)}
.vectra-report .key.rug{border-top-style:dotted;border-color:var(--rug)}
.vectra-report .chart{display:grid;grid-template-columns:56px minmax(0,1fr);
grid-template-rows:240px 20px auto}
.vectra-report .plot{position:relative;border-left:1px solid var(--line);
border-bottom:1px solid var(--line)}
.vectra-report svg{position:absolute;inset:0;width:100%;height:100%;overflow:hidden}
.vectra-report path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.vectra-report path.grid{stroke:var(--line);stroke-width:1}
.vectra-report path.zero{stroke:var(--soft);stroke-width:1}
.vectra-report path.pnl{stroke:var(--pnl)}
.vectra-report path.expected{stroke:var(--expected);stroke-dasharray:6 4}
.vectra-report path.band{fill:var(--band)}
.vectra-report path.price{stroke:var(--price);stroke-width:1.5}
.vectra-report path.rug{stroke:var(--rug);stroke-dasharray:2 4}
.vectra-report path.bars{fill:var(--band);stroke:var(--pnl);stroke-width:1}
.vectra-report .key.bars{height:10px;border:1px solid var(--pnl);background:var(--band)}
.vectra-report path.line0{stroke:var(--pnl)}
.vectra-report .key.line0{border-color:var(--pnl)}
.vectra-report path.line1{stroke:var(--side)}
.vectra-report .key.line1{border-color:var(--side)}
.vectra-report path.line2{stroke:var(--l2)}
.vectra-report .key.line2{border-color:var(--l2)}
.vectra-report path.line3{stroke:var(--l3)}
.vectra-report .key.line3{border-color:var(--l3)}
.vectra-report path.line4{stroke:var(--l4)}
.vectra-report .key.line4{border-color:var(--l4)}
.vectra-report path.line5{stroke:var(--l5)}
.vectra-report .key.line5{border-color:var(--l5)}
.vectra-report path.line6{stroke:var(--l6)}
.vectra-report .key.line6{border-color:var(--l6)}
.vectra-report path.line7{stroke:var(--l7)}
.vectra-report .key.line7{border-color:var(--l7)}
.vectra-report .range{position:relative;height:22px;min-width:88px}
.vectra-report .range .dot{position:absolute;top:7px;width:8px;height:8px;border-radius:4px;margin-left:-4px;
background:var(--pnl)}
.vectra-report .wide{overflow-x:auto}
.vectra-report data{white-space:nowrap}
.vectra-report .axis{position:relative;font-size:.72rem;color:var(--soft);font-variant-numeric:tabular-nums}
.vectra-report .axis span{position:absolute;white-space:nowrap}
.vectra-report .y span{right:6px;transform:translateY(-50%)}
.vectra-report .x{grid-column:2}
.vectra-report .x span{top:3px;transform:translateX(-50%)}
.vectra-report .name{grid-column:2;text-align:center}
.vectra-report .mark{display:inline-block;width:0;height:0;border:6px solid transparent;flex:none}
.vectra-report .plot .mark{position:absolute;margin-left:-6px}
.vectra-report .key.mark{width:0;height:0;border:6px solid transparent}
.vectra-report .mark.buy{border-bottom:10px solid var(--good);border-top:0}
.vectra-report .mark.sell{border-top:10px solid var(--pnl);border-bottom:0;margin-top:-10px}
.vectra-report .mark.forced-sell{border-top:10px solid var(--bad);border-bottom:0;margin-top:-10px}
.vectra-report .mark.sidebet,.vectra-report .mark.short-open,.vectra-report .mark.short-close{width:10px;
height:10px;
border:2px solid var(--side);border-radius:5px;margin:-5px 0 0 -5px}
.vectra-report .mark.short-close{background:var(--side)}
.vectra-report .legend .mark{margin:0}
""".strip()
"""The style sheet; everything is below ``.vectra-report``, so that it changes nothing around it."""
