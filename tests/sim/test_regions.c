/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/regions.h"

#include "tests/unit/base/check.h"

#include <stdlib.h>

static void the_map_is_whole_and_symmetric(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REGIONS; i++) {
		assert_true(region_name(i)[0] != '\0');
		for (uint32_t j = 0; j < REGIONS; j++) {
			uint64_t ns = region_delay_ns(i, j);

			assert_true(ns == region_delay_ns(j, i));
			assert_true(i == j ? ns == 500000 : ns >= 5000000);
			assert_true(ns <= REGION_DELAY_MAX_MS * UINT64_C(1000000));
		}
	}
	assert_true(region_delay_ns(0, 2) == 5000000 && region_delay_ns(14, 13) == 87000000);
}

/* No way through another region is much shorter: a slip in the table would be. */
static void detours_do_not_pay(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REGIONS; i++)
		for (uint32_t j = 0; j < REGIONS; j++)
			for (uint32_t by = 0; by < REGIONS; by++)
				if (region_delay_ns(i, by) + region_delay_ns(by, j) < region_delay_ns(i, j) * 2 / 3)
					fail_msg("%s to %s is too far", region_name(i), region_name(j));
}

static void machines_are_placed(void **state)
{
	static const uint32_t places[] = { 3, 9, 3 };
	struct queue queue = { 0 };
	struct net *net = net_new(&(struct net_options){ .machines = 20, .queue = &queue });

	(void)state;
	regions_place(net, 20, NULL);
	assert_true(net_path(net, 17, 4)->delay_ns == region_delay_ns(2, 4));
	regions_place(net, 3, places);
	assert_true(net_path(net, 0, 1)->delay_ns == 99000000 && net_path(net, 2, 0)->delay_ns == 500000);
	net_free(net);
}

static void the_map_is_printed(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	regions_print(file);
	fclose(file);
	assert_non_null(strstr(text, "\nLondon       8.0   0.5   5.0  38.0"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_is_whole_and_symmetric),
		cmocka_unit_test(detours_do_not_pay),
		cmocka_unit_test(machines_are_placed),
		cmocka_unit_test(the_map_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
