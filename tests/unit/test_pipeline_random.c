#include <criterion/criterion.h>

#include "play.h"
#include "random.h"

/* play() itself ends the test when the accounting law or a checksum is broken, or a connection
 * stays for ever. */
Test(pipeline_random, random_stories_keep_every_law)
{
	struct test_random r = {test_seed("pipeline_random")};
	struct play_totals totals = {0};
	uint8_t story[2000];

	for (uint32_t i = 0; i < 300; i++) {
		for (uint32_t j = 0; j < sizeof(story); j++)
			story[j] = (uint8_t)test_random(&r);
		play(story, sizeof(story), &totals);
	}
	cr_log_info(
		"sent %lu, originated %lu, dropped %lu, punted %lu, connections %lu, errors %lu",
		totals.sent, totals.originated, totals.dropped, totals.punted, totals.conns,
		totals.translated);
	cr_expect_gt(totals.sent, 1000, "the stories are worth telling");
	cr_expect_gt(totals.originated, 100);
	cr_expect_gt(totals.dropped, 1000);
	cr_expect_gt(totals.punted, 100);
	cr_expect_gt(totals.conns, 300);
	cr_expect_gt(totals.translated, 10);
	cr_expect_gt(totals.parted, 100);
}
