# SPDX-License-Identifier: MIT
"""All Verilog is in the project's dialect; a text that breaks one of its rules is found, with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw import style

OURS = [Path(__file__).resolve().parent]
"""There is Verilog of the tests, too."""

MODULE = """// adder: the sum of two bytes, kept.
//
// Handshake: none; `add_i` takes the bytes.
// Latency:   one cycle from `add_i` to `sum_o`.

`default_nettype none

module adder #(
    parameter WIDTH = 8
) (
    input  wire             clk_i,
    input  wire             rst_ni,
    input  wire             add_i,
    input  wire [WIDTH-1:0] data_i,   // one of them
    input  wire [39:0]      s_axi_awaddr,
    output reg  [WIDTH-1:0] sum_o
);
    `include "widths.vh"

    wire [WIDTH-1:0] kept;

    ram #(
        .WIDTH(WIDTH)
    ) u_kept (
        .clk_i(clk_i),
        .read_i(add_i && !(data_i == 0)),  // not always

        .read_data_o(kept)
    );

    function [7:0] twice;
        input [7:0] value;
        twice = value << 1;
    endfunction

    generate
        if (WIDTH > 64) begin : gen_illegal
            adder_WIDTH_must_be_64_or_less u_stop ();
        end
    endgenerate

    reg [WIDTH-1:0] sum_d;

    always @* begin
        sum_d = data_i + kept;
        if (sum_d == 0) sum_d = twice(data_i);
    end

    always @(posedge clk_i) begin
        if (add_i) sum_o <= sum_d;
        if (!rst_ni) sum_o <= 0;
    end

`ifdef FORMAL
    always @(posedge clk_i) if (rst_ni) assert (sum_o != 1);
`endif
endmodule

`default_nettype wire
"""

BREAKS = [  # rule, what of the text becomes what, a piece of the line that is named
    ("header", "// adder: the sum", "// The sum", "// The sum"),
    ("header", "// Handshake: none; `add_i` takes the bytes.\n", "", "// adder"),
    ("header", "// Latency:   one cycle from", "// After one cycle from", "// adder"),
    ("nettype", "`default_nettype none\n", "", "module adder"),
    ("nettype", "\n`default_nettype wire\n", "", "endmodule"),
    ("module", "module adder #(", "module subtractor #(", "module subtractor"),
    ("module", "endmodule\n", "endmodule\n\nmodule second;\nendmodule\n", "module second"),
    ("port", "input  wire             add_i", "input                   add_i", "add_i,"),
    ("port", "input  wire             add_i", "input  wire             now_i, add_i", "now_i"),
    ("port", "input  wire             add_i", "input  wire add_i", "wire add_i"),
    ("port", "input  wire             add_i", "input  logic            add_i", "logic"),
    ("name", " add_i,", " add,", " add,"),
    ("name", " sum_o\n", " sum_i\n", " sum_i"),
    ("name", " clk_i,\n    input  wire             rst", " clk,\n    input  wire             rst", " clk,"),
    ("name", " rst_ni,", " rst_n,", " rst_n,"),
    ("name", " rst_ni,", " reset_i,", " reset_i,"),
    ("instance", ") u_kept (", ") kept_ram (", ") kept_ram ("),
    ("instance", "u_stop ();", "stop ();", "stop ();"),
    ("instance", ".clk_i(clk_i),", "clk_i,", "        clk_i,"),
    ("instance", ".clk_i(clk_i),", ".clk_i (clk_i),", ".clk_i (clk_i)"),
    ("instance", ".clk_i(clk_i),", ".clk_i(clk_i), .write_i(1'b0),", ".write_i"),
    ("instance", "    wire [WIDTH-1:0] kept;\n", "    wire [WIDTH-1:0] kept;\n    crc u_crc (kept);\n", "u_crc"),
    ("always", "always @* begin", "always @(*) begin", "always @(*)"),
    ("always", "always @* begin", "always @(data_i or kept) begin", "always @(data_i"),
    ("always", "always @(posedge clk_i) begin", "always @(posedge clk_i or negedge rst_ni) begin", "negedge rst_ni"),
    ("always", "always @(posedge clk_i) begin", "always begin", "always begin"),
    ("generate", "begin : gen_illegal", "begin : illegal", "begin : illegal"),
    ("directive", "    reg [WIDTH-1:0] sum_d;", "`define SUM 1\n    reg [WIDTH-1:0] sum_d;", "`define"),
    ("directive", "`ifdef FORMAL", "`ifdef FAST", "`ifdef FAST"),
]


def findings(folder: Path, text: str, name: str = "adder.v") -> list[style.Finding]:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return style.check(path)


def test_all_verilog_is_in_the_dialect() -> None:
    assert len(style.sources(OURS)) > 60
    assert [str(finding) for path in style.sources(OURS) for finding in style.check(path)] == []


def test_a_module_in_the_dialect_has_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, MODULE) == []


@pytest.mark.parametrize(("rule", "before", "after", "place"), BREAKS)
def test_what_breaks_a_rule_is_found_where_it_is(
    tmp_path: Path, rule: str, before: str, after: str, place: str
) -> None:
    assert MODULE.count(before) >= 1
    text = MODULE.replace(before, after, 1)
    found = findings(tmp_path, text)
    assert [finding.rule for finding in found] == [rule]
    assert place in text.splitlines()[found[0].line - 1]


def test_a_finding_names_file_line_rule_and_remedy(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, MODULE.replace(" add_i,", " add,", 1))
    assert str(found) == "adder.v:13: name: end add with _i"


def test_the_licence_may_stand_before_the_header(tmp_path: Path) -> None:
    licence = "// SPDX-License-Identifier: MIT\n"
    assert findings(tmp_path, licence + MODULE) == []
    assert [str(found) for found in findings(tmp_path, licence + "\n" + MODULE) if found.rule == "header"] != []


def test_a_checker_of_a_proof_needs_no_handshake_and_no_suffix(tmp_path: Path) -> None:
    text = MODULE.replace("// Handshake: none; `add_i` takes the bytes.\n", "").replace(" add_i,", " add,", 1)
    assert {found.rule for found in findings(tmp_path, text)} == {"header", "name"}
    assert findings(tmp_path, text, "formal/adder.v") == []


def test_a_stand_in_is_named_after_the_module_that_it_replaces(tmp_path: Path) -> None:
    text = MODULE.replace("// adder:", "// free_adder:", 1)
    assert findings(tmp_path, text, "formal/free_adder.v") == []


def test_only_a_testbench_makes_its_clock(tmp_path: Path) -> None:
    text = MODULE.replace("adder", "adder_tb").replace("always @(posedge clk_i) begin", "always begin")
    assert findings(tmp_path, text, "adder_tb.v") == []


def test_an_empty_file_is_found(tmp_path: Path) -> None:
    assert {found.rule for found in findings(tmp_path, "")} == {"header", "nettype", "module"}
