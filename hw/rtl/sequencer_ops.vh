// What the mailbox can ask the page_sequencer to do with a page. To be included inside a module.

localparam [2:0] OP_TRIM   = 3'd0;
localparam [2:0] OP_STATE  = 3'd1;
localparam [2:0] OP_EXPORT = 3'd2;
localparam [2:0] OP_FLUSH  = 3'd3;  // every dirty entry; the page does not matter
localparam [2:0] OP_INJECT = 3'd4;  // make it poison
localparam [2:0] OP_CLEAR  = 3'd5;  // free it if it is poison
localparam [2:0] OP_FENCE   = 3'd6;  // close it, then refuse host writes
localparam [2:0] OP_UNFENCE = 3'd7;
