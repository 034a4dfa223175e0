/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_CLERK_H
#define WARREN_TEST_CLERK_H

/*
 * What the tests of requests that hang on who is a member share: the member that is asked is one, let in by node 1, and
 * a user is there for whom everything may be asked.
 */

#include "tests/unit/state/asking.h"
#include "tests/unit/state/estate.h"

void clerk_start(struct asking *a, struct estate *e, struct id *ret_user);
void clerk_end(struct asking *a, struct estate *e);

#endif
