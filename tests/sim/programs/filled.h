// SPDX-License-Identifier: MIT
/* N pages that were written and evicted, and the check that they are still right and can be used. */
#include "pages.h"

static byte *p;

static byte *filled(void) {
    p = map(N);
    fill(p, 0, N, 1);
    push_out();
    return p;
}

static inline int use(void) {
    int bad = WANT(!differ(p, 0, N, 1));
    fill(p, 0, N, 2);
    push_out();
    return bad + WANT(!differ(p, 0, N, 2));
}
