// What the mailbox can ask the page_sequencer to do with a page. To be included inside a module.

localparam [3:0] OP_TRIM   = 4'd0;
localparam [3:0] OP_STATE  = 4'd1;
localparam [3:0] OP_EXPORT = 4'd2;
localparam [3:0] OP_FLUSH  = 4'd3;  // every dirty entry; the page does not matter
localparam [3:0] OP_INJECT = 4'd4;  // make it poison
localparam [3:0] OP_CLEAR  = 4'd5;  // free it if it is poison
localparam [3:0] OP_FENCE   = 4'd6;  // close it, then refuse host writes
localparam [3:0] OP_UNFENCE = 4'd7;
localparam [3:0] OP_IMPORT  = 4'd8;  // store an LZ4 block as it is

// Why it refused: with reply_error.
localparam [1:0] REASON_INTERNAL  = 2'd0;
localparam [1:0] REASON_INPUT     = 2'd1;
localparam [1:0] REASON_EXHAUSTED = 2'd2;
