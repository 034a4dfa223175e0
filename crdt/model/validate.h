/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_VALIDATE_H
#define WARREN_VALIDATE_H

/*
 * The limits of a field, applied to one value. What passes here may be printed, logged and put into a config: no text
 * holds a control character, a line break (notes excepted), a direction override, or broken UTF-8.
 */

#include "crdt/model/model.h"

/*
 * To be raised with every change of what validate.c takes or key.c writes: indexes that an older version made are then
 * made anew.
 */
enum { VALIDATE_RULES = 1 };

/* `slot` is what the field's type is in C (model.h). E_VALUE or E_LIMIT with what is wrong and what is allowed. */
enum code validate_slot(const struct field *field, const void *slot, struct err *err);

/* What a value of the field must be, for errors: "a number", "a name". */
const char *validate_type_text(const struct field *field);

#endif
