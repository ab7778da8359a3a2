// The report's style sheet: system fonts, one accent, light and dark. StrategyColors of html.h goes
// with it.
#pragma once

namespace mgral::client {

inline constexpr char kReportStyle[] = R"css(
:root{color-scheme:light dark;--page:#fff;--panel:#f6f7f9;--ink:#14181f;--soft:#55606e;--faint:#8a94a3;
--rule:#e3e7ec;--grid:#edf0f3;--accent:#2450c8;--warn:#9a5b00;
--s-spare0:#a3542a;--s-spare1:#3f7f5f;--s-spare2:#7a6a00;--s-spare3:#5b5fc7;
--s-spare4:#b8336a;--s-spare5:#2f6f9f;--s-spare6:#6b8e23;--s-spare7:#9c6ade;
--k0:#2f7de1;--k1:#3da35d;--k2:#f07c12;--k3:#e0b400;--k4:#e0393e;--k5:#b04ac8;--k6:#10a5b5;--k7:#8a6d3b;
--k8:#ec5fa4;--k9:#7cb518;--k10:#5566cc;--k11:#9aa3ad;
--t0:#2450c8;--t1:#6f95ee;--t2:#0b8a83;--t3:#6cc2b9;--t4:#c46a08;--t5:#8a94a3}
@media(prefers-color-scheme:dark){:root{--page:#11151b;--panel:#191f27;--ink:#e8ebef;--soft:#a7b0bc;
--faint:#77818f;--rule:#2b333d;--grid:#222932;--accent:#86a9ff;--warn:#f0b45a;
--s-spare0:#e59a72;--s-spare1:#83c9a4;--s-spare2:#cfc04a;--s-spare3:#a3a6ff;
--s-spare4:#f08cb4;--s-spare5:#86bde6;--s-spare6:#bcd97f;--s-spare7:#cdb0f7;
--t0:#86a9ff;--t1:#3f5fae;--t2:#4cc9bd;--t3:#24706a;--t4:#f0a04b;--t5:#77818f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:960px;margin:0 auto;padding:44px 28px 72px}
h1{font-size:clamp(26px,4.2vw,38px);line-height:1.15;letter-spacing:-.02em;margin:.2em 0 .45em;
font-weight:680;text-wrap:balance}
h2{font-size:21px;letter-spacing:-.01em;margin:0 0 14px;font-weight:650}
h3{font-size:16px;margin:28px 0 10px;font-weight:620}
section{margin-top:52px}
.eyebrow{margin:0;color:var(--soft);font-size:14px}.eyebrow b{color:var(--ink);font-weight:620}
.lead{font-size:17px;color:var(--soft);max-width:68ch;margin:0 0 26px}
.note{color:var(--soft);font-size:14px;max-width:82ch;margin:12px 0 0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px}
.card{background:var(--panel);border-radius:12px;padding:16px 18px}
.card p{margin:0}.card .value{font-size:27px;font-weight:650;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.card .what{font-size:14px}.card .detail{font-size:13px;color:var(--soft)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 20px;margin:0 0 12px;padding:0;font-size:14px;
color:var(--soft)}
.legend li{display:flex;align-items:center;gap:8px}
.legend .line{width:22px;height:0;border-top:3px solid var(--c);border-radius:2px}
.legend .baseline .line{border-top-style:dashed}
.legend .box{width:13px;height:13px;border:2.5px solid var(--c);border-radius:3px}
.legend .full{background:var(--c)}
.chart{width:100%;height:auto;display:block;overflow:visible}
.chart text{font-size:13px;fill:var(--soft);font-variant-numeric:tabular-nums}
.chart .title{font-size:13.5px}
.chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--faint)}
.chart .band{fill:var(--c);opacity:.05}.chart .main .band{opacity:.16}
.chart .mean{fill:none;stroke:var(--c);stroke-width:2.6;stroke-linejoin:round;stroke-linecap:round}
.chart .baseline .mean{stroke-dasharray:7 5}
.chart .seed{fill:none;stroke:var(--c);stroke-width:1;opacity:.38}
.chart .dot{fill:var(--c);stroke:var(--page);stroke-width:1.4}
.chart .hollow{fill:none;stroke:var(--c);stroke-width:1.5;opacity:.75}
.chart .leader{fill:none;stroke:var(--c);stroke-width:1;opacity:.55}
.chart .end{fill:var(--c);font-weight:620;font-size:14px}
.chart .endvalue{fill:var(--soft);font-weight:400;font-size:13px}
.chart .identity{stroke:var(--faint);stroke-dasharray:5 5}.chart .zero{stroke:var(--rule)}
.chart .error{stroke:var(--c);stroke-width:1.5;opacity:.5}
.wide{min-width:680px}
.axes{display:flex;flex-wrap:wrap;align-items:center;gap:0 4px;font-size:14px;color:var(--soft)}
.axes>span{margin-right:4px}
.axes>input{position:absolute;opacity:0}
.axes>label{padding:3px 11px;border-radius:7px;cursor:pointer}
.axes>input:checked+label{background:var(--panel);color:var(--ink);font-weight:620}
.axes>input:focus-visible+label{outline:2px solid var(--accent)}
.axes>.panel{display:none;flex-basis:100%;min-width:0;margin-top:14px}
#axis-images:checked~.over-images,#axis-boxes:checked~.over-boxes,
#axis-cost:checked~.over-cost{display:block}
.split{display:grid;grid-template-columns:minmax(0,1.15fr) minmax(0,1fr);gap:36px;align-items:start}
@media(max-width:720px){.split{grid-template-columns:1fr}main{padding:28px 16px 56px}}
dl{margin:0}.facts div{display:flex;justify-content:space-between;gap:16px;padding:8px 0;
border-bottom:1px solid var(--rule);font-size:15px}
dt{color:var(--soft)}dd{margin:0;font-variant-numeric:tabular-nums;font-weight:560}
.facts dd{text-align:right}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
th,td{padding:9px 12px;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap}
th:first-child,td:first-child{padding-left:2px}
thead th{color:var(--soft);font-weight:500;font-size:13px;vertical-align:bottom;white-space:normal;
line-height:1.3}
tbody th{font-weight:600}.num{text-align:right}
.key{display:inline-block;width:10px;height:10px;border-radius:50%;background:var(--c);margin-right:9px}
.even table{table-layout:fixed;min-width:calc(var(--columns)*104px)}
.heat{background:linear-gradient(90deg,color-mix(in srgb,var(--accent) 18%,transparent) calc(var(--w)*.6),
transparent 0) no-repeat 10px 50%/100% 70%}
.bars{display:grid;gap:9px}
.bar{display:grid;grid-template-columns:124px minmax(0,1fr) 240px;gap:14px;align-items:center;font-size:14.5px}
.bar .name{font-weight:600;overflow:hidden;text-overflow:ellipsis}
.bar .text{color:var(--soft);font-variant-numeric:tabular-nums}
.bar .track{background:var(--panel);border-radius:6px;height:18px;display:flex;overflow:hidden}
.bar i{display:block;width:var(--w);background:var(--c);height:100%}
.bar.never i{background:repeating-linear-gradient(135deg,var(--c) 0 5px,transparent 5px 10px);opacity:.5}
.bar.stack{grid-template-columns:124px minmax(0,1fr) 80px}
@media(max-width:640px){.bar,.bar.stack{grid-template-columns:1fr auto}.bar .track{grid-column:1/-1;
grid-row:2}}
details{border-top:1px solid var(--rule);padding:6px 0}
details:last-of-type{border-bottom:1px solid var(--rule)}
summary{cursor:pointer;padding:10px 0;font-weight:620;font-size:16px}
summary span{color:var(--soft);font-weight:400;margin-left:10px;font-variant-numeric:tabular-nums}
details.plain{border:0!important;padding:0}.plain summary{font-size:14.5px;color:var(--soft)}
.strip{margin:6px 0 30px;padding-left:16px;border-left:3px solid var(--c)}
.strip header{display:flex;flex-wrap:wrap;gap:4px 28px;align-items:baseline}
.strip h4{margin:0;font-size:16px;color:var(--c)}
.strip dl{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:14px}.strip dl div{display:flex;gap:6px}
.mix{display:flex;gap:2px;height:18px;margin:10px 0 3px;border-radius:5px;overflow:hidden;max-width:560px}
.mix i{background:var(--c);flex-basis:0;min-width:3px;font:600 11px/18px system-ui,sans-serif;color:#fff;
text-align:center;text-shadow:0 0 3px rgba(0,0,0,.6)}
.mixnote{margin:0 0 10px;font-size:13px;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(116px,1fr));gap:12px 10px}
.tile{margin:0;min-width:0}
.thumb{display:block;width:100%;aspect-ratio:1;background:var(--panel);border-radius:6px}
.thumb rect{fill:none;stroke:var(--c);stroke-width:2px;vector-effect:non-scaling-stroke}
.thumb rect.ignore{stroke-dasharray:3 3}
.thumb.missing{display:flex;align-items:center;justify-content:center;padding:8px;font-size:12px;
color:var(--soft);overflow-wrap:anywhere;text-align:center}
figcaption{font-size:12px;line-height:1.35;color:var(--soft);margin-top:5px;overflow-wrap:anywhere;
display:-webkit-box;-webkit-line-clamp:3;-webkit-box-orient:vertical;overflow:hidden}
figcaption b{color:var(--ink);font-weight:620}
.more{align-self:center;margin:0;font-size:14px;color:var(--soft)}
.warn{color:var(--warn);font-size:14px;margin:4px 0}
.store{position:absolute;width:0;height:0}
.protocol{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:0 32px}
.protocol div{display:flex;justify-content:space-between;gap:16px;padding:7px 0;font-size:14.5px;
border-bottom:1px solid var(--rule)}
.protocol dd{text-align:right;overflow-wrap:anywhere;font-weight:500}
.caveats{margin:0;padding-left:20px;max-width:82ch}.caveats li{margin:6px 0}
footer{margin-top:56px;color:var(--faint);font-size:13px}
@media print{details{break-inside:avoid}}
)css";

}  // namespace mgral::client
