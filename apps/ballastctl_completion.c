#include "ballastctl_completion.h"

#include "ballastctl_json.h"
#include "ballastctl_words.h"

#include <string.h>

#define N_COMMANDS (LB_CTL_COMMAND_N + 1)

static const struct lb_ctl_command_words *command(int c)
{
	return c < LB_CTL_COMMAND_N ? &lb_ctl_commands[c] : &lb_ctl_decap_words;
}

/* Is it the first one with this verb? */
static bool is_new_verb(int c)
{
	for (int i = 0; i < c; i++)
		if (strcmp(command(i)->verb, command(c)->verb) == 0)
			return false;
	return true;
}

static bool goes_with(const struct lb_ctl_option_words *o, const struct lb_ctl_command_words *c)
{
	return o->with == 0 || (o->with & c->takes) != 0;
}

/* Text between single quotes, up to the line end. */
static void put_quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text != '\0' && *text != '\n'; text++)
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	fputc('\'', out);
}

/* ---- bash, and zsh by its bashcompinit ---- */

/* The kind of names that `values` stands for; NULL: they are no names. */
static const char *names_of(const char *values)
{
	if (values == NULL)
		return NULL;
	if (strcmp(values, LB_CTL_SERVERS) == 0)
		return "servers";
	if (strcmp(values, LB_CTL_SERVICES) == 0)
		return "services";
	return strcmp(values, LB_CTL_GROUPS) == 0 ? "groups" : NULL;
}

/* What bash may offer there. */
static void put_bash_values(FILE *out, const char *values)
{
	const char *names = names_of(values);

	if (values != NULL && strcmp(values, LB_CTL_FILES) == 0)
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
	else if (names != NULL)
		fprintf(out, "words=$(\"${COMP_WORDS[0]}\" --names %s 2>/dev/null)", names);
	else
		fprintf(out, "words='%s'", values != NULL ? values : "");
}

static void put_bash_option_values(FILE *out)
{
	fputs("\tcase $prev in\n", out);
	for (int i = 0; i < LB_CTL_OPTION_N; i++) {
		const struct lb_ctl_option_words *o = &lb_ctl_option_words[i];

		if (o->argument == NULL)
			continue;
		fputs("\t", out);
		if (o->letter != 0)
			fprintf(out, "-%c | ", o->letter);
		fprintf(out, "--%s) ", o->name);
		put_bash_values(out, o->values);
		fputs(" ;;\n", out);
	}
	fputs("\t*) is_value= ;;\n\tesac\n", out);
}

/* Which words have been said that are neither options nor their values. */
static void put_bash_search(FILE *out)
{
	fputs("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n\t\t", out);
	for (int i = 0, n = 0; i < LB_CTL_OPTION_N; i++) {
		const struct lb_ctl_option_words *o = &lb_ctl_option_words[i];

		if (o->argument == NULL)
			continue;
		if (o->letter != 0)
			fprintf(out, "%s-%c", n++ > 0 ? " | " : "", o->letter);
		fprintf(out, "%s--%s", n++ > 0 ? " | " : "", o->name);
	}
	fputs(") ((i++)) ;;\n\t\t-*) ;;\n\t\t*) said+=(\"${COMP_WORDS[i]}\") "
	      ";;\n\t\tesac\n\tdone\n",
	      out);
}

static void put_bash_command(FILE *out, int c)
{
	const struct lb_ctl_command_words *w = command(c);

	fprintf(out, "\t'%s%s%s')\n\t\toptions='", w->verb, w->noun != NULL ? " " : "",
		w->noun != NULL ? w->noun : "");
	for (int i = 0; i < LB_CTL_OPTION_N; i++)
		if (goes_with(&lb_ctl_option_words[i], w))
			fprintf(out, "--%s ", lb_ctl_option_words[i].name);
	fputs("'\n", out);
	if (w->argument != NULL) {
		fputs("\t\t((${#said[@]} > 1)) || ", out);
		put_bash_values(out, w->values);
		fputc('\n', out);
	}
	fputs("\t\t;;\n", out);
}

/* Of a verb with several nouns before one is said. */
static void put_bash_verb(FILE *out, int c)
{
	fprintf(out, "\t'%s') words='", command(c)->verb);
	for (int i = c; i < N_COMMANDS; i++)
		if (command(i)->noun != NULL && strcmp(command(i)->verb, command(c)->verb) == 0)
			fprintf(out, "%s ", command(i)->noun);
	fputs("' ;;\n", out);
}

static void put_bash(FILE *out)
{
	fputs("# Made by ballastctl --completion.\n_ballastctl()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal i is_value=1 words= options= said=()\n\tCOMPREPLY=()\n",
	      out);
	put_bash_option_values(out);
	fputs("\tif [[ $is_value ]]; then\n"
	      "\t\t[[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -W \"$words\" -- "
	      "\"$cur\"))\n"
	      "\t\treturn\n\tfi\n",
	      out);
	put_bash_search(out);
	fputs("\tcase \"${said[0]-}${said[1]+ }${said[1]-}\" in\n\t'')\n\t\twords='", out);
	for (int c = 0; c < N_COMMANDS; c++)
		if (is_new_verb(c))
			fprintf(out, "%s ", command(c)->verb);
	fputs("'\n\t\toptions='", out);
	for (int i = 0; i < LB_CTL_OPTION_N; i++)
		if (lb_ctl_option_words[i].with == 0)
			fprintf(out, "--%s ", lb_ctl_option_words[i].name);
	fputs("'\n\t\t;;\n", out);
	for (int c = 0; c < N_COMMANDS; c++)
		if (command(c)->noun != NULL && is_new_verb(c))
			put_bash_verb(out, c);
	fputs("\tesac\n\tcase \"${said[0]-}${said[1]+ }${said[1]-}\" in\n", out);
	for (int c = 0; c < N_COMMANDS; c++)
		if (command(c)->noun != NULL)
			put_bash_command(out, c);
	fputs("\tesac\n\tcase \"${said[0]-}\" in\n", out);
	for (int c = 0; c < N_COMMANDS; c++)
		if (command(c)->noun == NULL)
			put_bash_command(out, c);
	fputs("\tesac\n\t[[ $cur != -* ]] || words=$options\n"
	      "\t[[ ${#COMPREPLY[@]} -gt 0 && $cur != -* ]] ||\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	      "complete -F _ballastctl ballastctl\n",
	      out);
}

/* ---- fish ---- */

static void put_fish_values(FILE *out, const char *values)
{
	const char *names = names_of(values);

	if (names != NULL)
		fprintf(out, " -a '(ballastctl --names %s 2>/dev/null)'", names);
	else if (values != NULL && strcmp(values, LB_CTL_FILES) == 0)
		fputs(" -F", out);
	else if (values != NULL)
		fprintf(out, " -a '%s'", values);
}

static void put_fish_command(FILE *out, int c)
{
	const struct lb_ctl_command_words *w = command(c);

	fputs("complete -c ballastctl -f -n ", out);
	if (w->noun == NULL)
		fprintf(out, "__fish_use_subcommand -a %s -d ", w->verb);
	else
		fprintf(out, "'__fish_seen_subcommand_from %s' -a %s -d ", w->verb, w->noun);
	put_quoted(out, w->help);
	fputc('\n', out);
	if (w->argument == NULL)
		return;
	fprintf(out, "complete -c ballastctl -f -n '__fish_seen_subcommand_from %s'", w->verb);
	put_fish_values(out, w->values);
	fputc('\n', out);
}

/* A noun says which command it is, a verb alone where there is none. */
static void put_fish_option(FILE *out, const struct lb_ctl_option_words *o)
{
	fputs("complete -c ballastctl", out);
	if (o->with != 0) {
		fputs(" -n '__fish_seen_subcommand_from", out);
		for (int c = 0; c < N_COMMANDS; c++)
			if (goes_with(o, command(c)))
				fprintf(out, " %s",
					command(c)->noun != NULL ? command(c)->noun
								 : command(c)->verb);
		fputc('\'', out);
	}
	fprintf(out, " -l %s", o->name);
	if (o->letter != 0)
		fprintf(out, " -s %c", o->letter);
	if (o->argument != NULL) {
		fputs(o->values != NULL && strcmp(o->values, LB_CTL_FILES) == 0 ? " -r" : " -x",
		      out);
		put_fish_values(out, o->values);
	}
	fputs(" -d ", out);
	put_quoted(out, o->help);
	fputc('\n', out);
}

static void put_fish(FILE *out)
{
	fputs("# Made by ballastctl --completion.\ncomplete -c ballastctl -f\n", out);
	for (int c = 0; c < N_COMMANDS; c++) {
		if (command(c)->noun != NULL && is_new_verb(c))
			fprintf(out, "complete -c ballastctl -f -n __fish_use_subcommand -a %s\n",
				command(c)->verb);
		put_fish_command(out, c);
	}
	for (int i = 0; i < LB_CTL_OPTION_N; i++)
		put_fish_option(out, &lb_ctl_option_words[i]);
}

bool lb_ctl_put_completion(FILE *out, const char *shell)
{
	if (strcmp(shell, "fish") == 0) {
		put_fish(out);
		return true;
	}
	if (strcmp(shell, "zsh") == 0)
		fputs("#compdef ballastctl\nautoload -Uz bashcompinit && bashcompinit\n", out);
	else if (strcmp(shell, "bash") != 0)
		return false;
	put_bash(out);
	return true;
}

/* ---- names ---- */

/* Shells expand what they offer: nothing but what the contract allows in a name. */
static bool is_plain_name(const char *name)
{
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789._-")] == '\0';
}

int lb_ctl_put_names(const struct lb_ctl_view *view, const char *kind)
{
	struct lb_ctl_request request = {.method = "GET"};
	struct lb_ctl_answer answer;
	const cJSON *item;
	int rc;

	if (strcmp(kind, "servers") == 0)
		request.path = "real-servers";
	else if (strcmp(kind, "services") == 0)
		request.path = "virtual-services";
	else if (strcmp(kind, "groups") == 0)
		request.path = "persistence-groups";
	if (request.path == NULL) {
		fputs("ballastctl: --names: servers, services and groups are known\n", stderr);
		return LB_CTL_USAGE;
	}
	rc = lb_ctl_call(view->client, &request, &answer);
	if (rc == LB_CTL_OK)
		cJSON_ArrayForEach(item, answer.json)
		{
			const char *name = lb_ctl_json_str(item, "name");

			if (is_plain_name(name))
				fprintf(view->out, "%s\n", name);
		}
	lb_ctl_answer_free(&answer);
	return rc;
}
