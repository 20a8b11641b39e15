/* One line per event, each level for itself, none longer than its bound. */
#include "log.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static char said[8 * LB_LOG_LINE_MAX];

/* What stands on standard error since `begin`, in `said`. */
static int begin(int ends[2])
{
	int kept = dup(STDERR_FILENO);

	cr_assert(kept >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	return kept;
}

static size_t end(int kept, const int ends[2])
{
	ssize_t n;

	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[1]);
	n = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	cr_assert(n >= 0);
	said[n] = '\0';
	return (size_t)n;
}

Test(log, levels_count_for_all_and_for_a_module)
{
	int ends[2], kept = begin(ends);

	lb_log(LB_LOG_DEBUG, "health", "one");
	lb_log(LB_LOG_INFO, "health", "two n=%d", 2);
	lb_log_set_level("health", LB_LOG_DEBUG);
	lb_log(LB_LOG_DEBUG, "health", "three");
	lb_log_set_level(NULL, LB_LOG_ERROR);
	lb_log(LB_LOG_WARNING, "api", "four");
	lb_log(LB_LOG_DEBUG, "health", "five");
	end(kept, ends);
	cr_expect(strstr(said, "one") == NULL && strstr(said, "four") == NULL, "%s", said);
	cr_expect(strstr(said, "Z info health: two n=2\n") != NULL, "%s", said);
	cr_expect(strstr(said, "Z debug health: three\n") != NULL, "%s", said);
	cr_expect(strstr(said, "Z debug health: five\n") != NULL, "%s", said);
}

Test(log, a_line_too_long_is_cut_and_ends_all_the_same)
{
	char text[2 * LB_LOG_LINE_MAX];

	memset(text, 'x', sizeof(text) - 1);
	for (size_t n = LB_LOG_LINE_MAX - 48; n < sizeof(text);
	     n += n < LB_LOG_LINE_MAX ? 1 : 500) {
		int ends[2], kept = begin(ends);
		size_t got;

		lb_log(LB_LOG_INFO, "api", "%.*s", (int)n, text);
		got = end(kept, ends);
		cr_assert(got <= LB_LOG_LINE_MAX && said[got - 1] == '\n' && strlen(said) == got,
			  "%zu bytes of text, %zu of line", n, got);
		cr_assert_eq(strcspn(said, "\n"), got - 1);
	}
}
