#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "check_config.h"

/* The exit status; what was printed goes into *text. */
static int check(const char *path, char **text)
{
	size_t len;
	FILE *out = open_memstream(text, &len);
	int status;

	cr_assert_not_null(out);
	status = lb_config_check_file(path, out);
	fclose(out);
	return status;
}

Test(check_config, a_valid_file_is_summed_up)
{
	char *text;

	cr_expect_eq(check(CONFIGS_DIR "/exchange-2010.json", &text), 0);
	cr_expect_str_eq(text, CONFIGS_DIR "/exchange-2010.json is valid, virtual services: 3, "
					   "server pools: 1, interfaces: 1\nmonitor cas-port: a "
					   "server that stops answering is down within 950 ms\n");
	free(text);
}

Test(check_config, every_error_is_printed)
{
	char *text;

	cr_expect_eq(check(CONFIGS_DIR "/bad/monitor-icmp-port.json", &text), 2);
	cr_expect_str_eq(text,
			 "/health_monitors/0/port: an icmp monitor has no port\n"
			 "/server_pools/0/health_monitors/0/port: an icmp monitor has no port\n");
	free(text);
}

Test(check_config, a_file_that_cannot_be_read_is_an_error)
{
	static const char *const paths[] = {CONFIGS_DIR "/nothing.json", CONFIGS_DIR,
					    CONFIGS_DIR "/minimal.json/x"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *text;

		cr_expect_eq(check(paths[i], &text), 2, "%s", paths[i]);
		cr_expect_not_null(strstr(text, paths[i]), "%s", text);
		free(text);
	}
}
