#include "ballastctl_diff.h"

#include "ballastctl_json.h"
#include "ballastctl_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct diff {
	FILE *out;
	int n_lines;
	bool has_failed; /* out of memory */
};

/* The way from the root to a value, linked through the stack. */
struct step {
	const struct step *above;
	const char *name;
};

static void put_path(FILE *out, const struct step *step)
{
	if (step->above != NULL)
		put_path(out, step->above);
	if (step->name == NULL)
		return;
	fputc('/', out);
	lb_ctl_put_text(out, step->name);
}

static void put_value(struct diff *d, const char *before, const cJSON *value)
{
	char *text = cJSON_PrintUnformatted(value);
	size_t n;

	if (text == NULL) {
		d->has_failed = true;
		return;
	}
	n = strlen(text);
	if (n > LB_CTL_DIFF_VALUE_MAX) {
		n = LB_CTL_DIFF_VALUE_MAX;
		/* Not through the middle of a character. */
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		text[n] = '\0';
		fprintf(d->out, "%s", before);
		lb_ctl_put_text(d->out, text);
		fputs("...", d->out);
	} else {
		fprintf(d->out, "%s", before);
		lb_ctl_put_text(d->out, text);
	}
	cJSON_free(text);
}

static void put_line(struct diff *d, const struct step *at, const cJSON *before, const cJSON *after)
{
	fputs(before == NULL ? "+ " : after == NULL ? "- " : "~ ", d->out);
	put_path(d->out, at);
	if (before != NULL && after != NULL)
		put_value(d, ": ", before);
	if (after != NULL)
		put_value(d, before != NULL ? " -> " : ": ", after);
	fputc('\n', d->out);
	d->n_lines++;
}

static void compare(struct diff *d, const struct step *at, const cJSON *before, const cJSON *after);

static void compare_objects(struct diff *d, const struct step *at, const cJSON *before,
			    const cJSON *after)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, before)
	{
		const struct step step = {at, item->string};

		compare(d, &step, item, lb_ctl_json_get(after, item->string));
	}
	cJSON_ArrayForEach(item, after)
	{
		const struct step step = {at, item->string};

		if (lb_ctl_json_get(before, item->string) == NULL)
			put_line(d, &step, NULL, item);
	}
}

static bool is_named_list(const cJSON *list)
{
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return false;
	cJSON_ArrayForEach(item,
			   list) if (!cJSON_IsString(lb_ctl_json_get(item, "name"))) return false;
	return true;
}

static void compare_named(struct diff *d, const struct step *at, const cJSON *before,
			  const cJSON *after)
{
	struct lb_ctl_index old = {0}, new = {0};
	const cJSON *item;

	if (lb_ctl_index_init(&old, before) < 0 || lb_ctl_index_init(&new, after) < 0) {
		d->has_failed = true;
	} else {
		cJSON_ArrayForEach(item, before)
		{
			const struct step step = {at, lb_ctl_json_str(item, "name")};

			compare(d, &step, item, lb_ctl_index_find(&new, item));
		}
		cJSON_ArrayForEach(item, after)
		{
			const struct step step = {at, lb_ctl_json_str(item, "name")};

			if (lb_ctl_index_find(&old, item) == NULL)
				put_line(d, &step, NULL, item);
		}
	}
	lb_ctl_index_fini(&old);
	lb_ctl_index_fini(&new);
}

/* `after` may be NULL. */
static void compare(struct diff *d, const struct step *at, const cJSON *before, const cJSON *after)
{
	if (after != NULL && cJSON_Compare(before, after, true))
		return;
	if (cJSON_IsObject(before) && cJSON_IsObject(after))
		compare_objects(d, at, before, after);
	else if (is_named_list(before) && is_named_list(after))
		compare_named(d, at, before, after);
	else
		put_line(d, at, before, after);
}

int lb_ctl_diff(FILE *out, const cJSON *before, const cJSON *after)
{
	struct diff d = {.out = out};
	const struct step root = {0};

	compare(&d, &root, before, after);
	return d.has_failed ? -ENOMEM : d.n_lines;
}
