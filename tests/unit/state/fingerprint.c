/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the fingerprint of the description that it was built with. */
#include "crdt/model/model.h"

#include <stdio.h>

int main(void)
{
	struct id id = model_fingerprint();

	for (size_t i = 0; i < sizeof id.bytes; i++)
		printf("%02x", id.bytes[i]);
	return printf("\n") != 1;
}
