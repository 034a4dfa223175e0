/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_JUDGE_H
#define WARREN_HTTP_JUDGE_H

/*
 * Whether a request may reach its handler, decided from its head alone, so that nobody sends a body in vain.
 */

#include "agent/http/gate.h"
#include "agent/http/route.h"

enum { JUDGE_BODY_MAX = 8 << 20 /* of any route */ };

bool http_judge(const struct routes *routes, const struct caller *caller, const struct gate_head *head,
		struct route_match *ret_match, struct refusal *ret_refusal);

#endif
