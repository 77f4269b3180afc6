/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan language of dmamap_fail(): SITE:KEY=VALUE[,KEY=VALUE]…[;…]. A plan takes effect only if
 * all of it is correct.
 */
#include "base/error.h"
#include "base/fail.h"
#include "report/misuse.h"

#include <ctype.h>
#include <dmamap/device.h>
#include <stdlib.h>
#include <string.h>

struct plan {
	struct fail_rule rule[FAIL_SITES];
	bool on[FAIL_SITES];
};

static int plan_read_number(const char *s, u64 *out)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 0);
	return *end || errno ? -EINVAL : 0;
}

static int plan_read_prob(const char *s, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return end == s || *end || !(*out >= 0 && *out <= 1) ? -EINVAL : 0;
}

static int plan_read_key(struct fail_rule *r, const char *key, const char *value)
{
	if (!strcmp(key, "nth"))
		return plan_read_number(value, &r->nth);
	if (!strcmp(key, "every"))
		return plan_read_number(value, &r->every);
	if (!strcmp(key, "times"))
		return plan_read_number(value, &r->times);
	if (!strcmp(key, "seed"))
		return plan_read_number(value, &r->seed);
	if (!strcmp(key, "prob"))
		return plan_read_prob(value, &r->prob);
	if (!strcmp(key, "dev")) {
		if (!*value || strlen(value) >= sizeof(r->dev))
			return -EINVAL;
		strcpy(r->dev, value);
		return 0;
	}
	return -ENOENT;
}

static int plan_read_keys(struct fail_rule *r, char *keys)
{
	char *save, *word, *value;
	int err;

	for (word = strtok_r(keys, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		value = strchr(word, '=');
		if (!value)
			return error_set(EINVAL, "fault plan: \"%s\" is not KEY=VALUE", word);
		*value++ = 0;
		err = plan_read_key(r, word, value);
		if (err == -ENOENT)
			return error_set(EINVAL,
					 "fault plan: unknown key \"%s\"; keys are nth, every, "
					 "prob, seed, times, dev",
					 word);
		if (err)
			return error_set(EINVAL, "fault plan: \"%s\" is not a valid value for %s",
					 value, word);
	}
	if (!r->nth && !r->every && !(r->prob > 0))
		return error_set(EINVAL, "fault plan: a site needs nth=, every= or prob=");
	return 0;
}

static int plan_read_site(struct plan *plan, char *text)
{
	struct fail_rule rule = {0};
	char *keys = strchr(text, ':');
	bool known = false;
	int err;

	if (!keys)
		return error_set(EINVAL, "fault plan: \"%s\" is not SITE:KEY=VALUE", text);
	*keys++ = 0;
	err = plan_read_keys(&rule, keys);
	if (err)
		return err;
	for (int i = 0; i < FAIL_SITES; i++)
		if (!strcmp(text, "all") || !strcmp(text, fail_names[i])) {
			plan->rule[i] = rule;
			plan->on[i] = known = true;
		}
	return known ? 0
		     : error_set(EINVAL,
				 "fault plan: unknown site \"%s\"; sites are map, coherent, "
				 "pool, page, iova, bounce, link, backend, memory, kmalloc, skb, "
				 "irq, "
				 "ioremap, register, all",
				 text);
}

int dmamap_fail(const char *text)
{
	struct plan plan = {0};
	char *copy, *save, *word;
	int err = 0;

	if (text) {
		/*
		 * not alloc_string(): the current plan must not make the installation of the next
		 * one fail
		 */
		copy = strdup(text);
		if (!copy)
			return error_set(ENOMEM, "fault plan: out of memory");
		for (word = strtok_r(copy, ";", &save); word && !err;
		     word = strtok_r(NULL, ";", &save))
			err = plan_read_site(&plan, word);
		free(copy);
		if (err)
			return err;
	}
	for (int i = 0; i < FAIL_SITES; i++)
		fail_set((enum fail_site)i, plan.on[i] ? &plan.rule[i] : NULL);
	return 0;
}

u64 dmamap_fail_count(const char *site)
{
	u64 n = 0;

	for (int i = 0; site && i < FAIL_SITES; i++)
		if (!strcmp(site, "all") || !strcmp(site, fail_names[i]))
			n += fail_fired((enum fail_site)i);
	return n;
}

bool dmamap_should_fail(struct device *dev, const char *site)
{
	if (likely(!read_once(&fail_armed)) || !site)
		return false;
	for (int i = 0; i < FAIL_SITES; i++)
		if (!strcmp(site, fail_names[i]))
			return fail_decide((enum fail_site)i, dev ? dev_name(dev) : NULL);
	return false;
}
