/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every kind of key has a function that checks the key's value and stores it. In a value, ",,"
 * means a comma.
 */
#include "device/spec.h"
#include "base/alloc.h"
#include "base/error.h"
#include "qemu/qemu.h"
#include "vfio/vfio.h"
#include "vfuclient/vfuclient.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_TEXT_MAX 4096

static const struct hw_ops *const hw_backends[] = {&hw_qemu, &hw_vfio, &hw_iommufd, &hw_vfio_user};
static const char *const policy_names[] = {"strict", "lazy", "identity", "persistent"};

const char *policy_name(enum domain_policy policy)
{
	return policy_names[policy];
}

static int spec_bad_value(const char *key, const char *value, const char *wanted)
{
	return error_set(EINVAL, "device spec: %s=%s: the value must be %s", key, value, wanted);
}

static int read_flag(const char *key, const char *value, bool *out)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return spec_bad_value(key, value, "0 or 1");
	*out = *value == '1';
	return 0;
}

static int read_threads(const char *key, const char *value, bool *stepped)
{
	bool threads = true;
	int err = read_flag(key, value, &threads);

	if (!err)
		*stepped = !threads;
	return err;
}

static int read_writes(const char *key, const char *value, bool *sync)
{
	if (strcmp(value, "posted") != 0 && strcmp(value, "sync") != 0)
		return spec_bad_value(key, value, "posted or sync");
	*sync = *value == 's';
	return 0;
}

static int read_size(const char *key, const char *value, u64 *out)
{
	u64 v;

	if (model_number(value, true, &v) || !v)
		return spec_bad_value(key, value, "a size such as 64K, 2M or 1G, not 0");
	*out = v;
	return 0;
}

static int read_name(const char *key, const char *value, const char **out)
{
	size_t n =
		strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-");

	if (!n || n > SPEC_NAME_MAX || value[n])
		return spec_bad_value(key, value, "1 to 31 letters, digits, '.', '_', ':' or '-'");
	*out = value;
	return 0;
}

static int read_policy(const char *key, const char *value, enum domain_policy *out)
{
	if (!strcmp(value, "pool")) /* the name of policy=identity in earlier versions */
		value = "identity";
	for (unsigned int i = 0; i < ARRAY_SIZE(policy_names); i++)
		if (!strcmp(value, policy_names[i])) {
			*out = (enum domain_policy)i;
			return 0;
		}
	return spec_bad_value(key, value, "strict, lazy, identity or persistent");
}

static int read_bits(const char *key, const char *value, unsigned int *out)
{
	u64 v;

	if (model_number(value, false, &v) || v < 13 || v > 64)
		return spec_bad_value(key, value, "a number of address lines from 13 to 64");
	*out = (unsigned int)v;
	return 0;
}

static int read_offset(const char *key, const char *value, u64 *out)
{
	u64 v;

	/* so that a mapping preserves the address bits below 64 KiB on every path */
	if (model_number(value, true, &v) || (v & 0xffff) || v >> 63)
		return spec_bad_value(key, value, "a multiple of 64K below 2^63");
	*out = v;
	return 0;
}

/* Returns 0, or -ENOENT if it is not a key of all simulated devices. */
static int read_sim(struct spec *s, const char *key, const char *value)
{
	if (!strcmp(key, "iommu"))
		return read_flag(key, value, &s->iommu);
	if (!strcmp(key, "coherent"))
		return read_flag(key, value, &s->coherent);
	if (!strcmp(key, "addr-bits"))
		return read_bits(key, value, &s->addr_bits);
	if (!strcmp(key, "bus-offset"))
		return read_offset(key, value, &s->bus_offset);
	if (!strcmp(key, "group"))
		return read_name(key, value, &s->group);
	if (!strcmp(key, "threads"))
		return read_threads(key, value, &s->stepped);
	return -ENOENT;
}

/* Returns 0, or -ENOENT if it is not a key of all devices. */
static int read_common(struct spec *s, const char *key, const char *value)
{
	if (!strcmp(key, "policy"))
		return read_policy(key, value, &s->policy);
	if (!strcmp(key, "untrusted"))
		return read_flag(key, value, &s->untrusted);
	if (!strcmp(key, "check"))
		return read_flag(key, value, &s->check);
	if (!strcmp(key, "writes"))
		return read_writes(key, value, &s->sync_writes);
	if (!strcmp(key, "name"))
		return read_name(key, value, &s->name);
	if (!strcmp(key, "forcedac"))
		return read_flag(key, value, &s->forcedac);
	if (!strcmp(key, "ram"))
		return read_size(key, value, &s->ram);
	if (!strcmp(key, "swiotlb"))
		return read_size(key, value, &s->swiotlb);
	return s->hw ? -ENOENT : read_sim(s, key, value);
}

bool spec_key_is_common(const char *key)
{
	struct spec s = {0};

	return read_common(&s, key, "") != -ENOENT;
}

static bool has_key(const char *const *keys, const char *key)
{
	for (; keys && *keys; keys++)
		if (!strcmp(key, *keys))
			return true;
	return false;
}

/* Stores a key of the back end, or a property of the device; create() checks the value. */
static int device_read_hw_key(struct spec *s, const char *key, const char *value)
{
	if (s->hw->any_key && !strcmp(key, "iommu")) {
		if (strcmp(value, "vtd") != 0 && strcmp(value, "off") != 0)
			return spec_bad_value(key, value, "vtd or off");
		s->iommu = *value == 'v';
		return 0;
	}
	if (!s->hw->any_key && !has_key(s->hw->keys, key))
		return error_set(
			EINVAL, "device spec: unknown key \"%s\" for %s:; dmamap(7) lists the keys",
			key, s->hw->name);
	if (s->config.n_args == HW_ARGS_MAX)
		return error_set(EINVAL, "device spec: too many keys at \"%s\"", key);
	s->config.arg[s->config.n_args++] = (struct hw_arg){key, value};
	return 0;
}

static int read_model_key(struct spec *s, const char *key, const char *value)
{
	int i = s->model ? model_key_find(s->model, key) : -1;

	if (i >= 0)
		return model_value_parse(s->model, i, value, &s->values[i]);
	if (s->model)
		return error_set(EINVAL,
				 "device spec: unknown key \"%s\" for sim:%s; dmamap info sim:%s "
				 "and dmamap(7) list the keys",
				 key, s->model->name, s->model->name);
	return error_set(EINVAL, "device spec: unknown key \"%s\"; dmamap(7) lists the keys", key);
}

/* Splits off the next word at a single comma; ",," becomes a comma in the word. */
static char *next_word(char **rest)
{
	char *word = *rest, *from = word, *to = word;

	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = 0;
	return word;
}

static int spec_read_key(struct spec *s, char *word, const char *seen[], int n_seen)
{
	char *value = strchr(word, '=');
	int err;

	if (!value)
		return error_set(EINVAL, "device spec: \"%s\" is not key=value", word);
	*value++ = 0;
	/* an argument of QEMU may contain "=", and every one is a word of its command line */
	if (s->hw && s->hw->any_key && !strcmp(word, "arg")) {
		seen[n_seen] = word;
		return device_read_hw_key(s, word, value);
	}
	if (strchr(value, '='))
		return error_set(EINVAL, "device spec: %s=%s has a second \"=\"", word, value);
	for (int i = 0; i < n_seen; i++)
		if (!strcmp(seen[i], word))
			return error_set(EINVAL, "device spec: key \"%s\" is given twice", word);
	seen[n_seen] = word;
	err = read_common(s, word, value);
	if (err != -ENOENT)
		return err;
	return s->hw ? device_read_hw_key(s, word, value) : read_model_key(s, word, value);
}

static int read_target(struct spec *s, const char *word)
{
	const char *target = strchr(word, ':');
	size_t n = target ? (size_t)(target - word) : strlen(word);

	for (unsigned int i = 0; i < ARRAY_SIZE(hw_backends); i++)
		if (n == strlen(hw_backends[i]->name) && !strncmp(word, hw_backends[i]->name, n)) {
			s->hw = hw_backends[i];
			s->config.target = target ? target + 1 : "";
			return 0;
		}
	if (n != 3 || strncmp(word, "sim", 3) != 0)
		return error_set(
			EINVAL,
			"device spec: unknown back end \"%.*s\"; there are sim, vfio, iommufd, "
			"vfio-user and qemu",
			(int)(n < 64 ? n : 64), word);
	if (!target)
		return 0;
	s->model = model_get(target + 1);
	if (!s->model)
		return -errno;
	model_values_default(s->model, s->values);
	return 0;
}

static int check_together(const struct spec *s)
{
	if (s->untrusted && !s->iommu)
		return error_set(EINVAL, "device spec: untrusted=1 needs an IOMMU (no iommu=0 or "
					 "off): without one a device "
					 "reaches all RAM");
	if (s->untrusted && s->policy >= POLICY_IDENTITY)
		return error_set(EINVAL,
				 "device spec: untrusted=1 and policy=%s contradict: that policy "
				 "exposes all RAM to the device; use strict",
				 policy_names[s->policy]);
	if (s->stepped && !(s->model && s->model->step))
		return error_set(EINVAL,
				 "device spec: threads=0 needs a model that the program can step, "
				 "and %s%s has no function for it",
				 s->model ? "sim:" : "sim", s->model ? s->model->name : "");
	return 0;
}

int spec_parse(struct spec *spec, const char *text)
{
	struct spec s = {.iommu = true, .coherent = true, .addr_bits = 64};
	const char *seen[32];
	char *rest;
	int err, n = 0;

	if (!text || !*text)
		return error_set(EINVAL, "device spec: empty; try \"sim\"");
	if (strnlen(text, SPEC_TEXT_MAX) == SPEC_TEXT_MAX)
		return error_set(EINVAL, "device spec: longer than %d bytes", SPEC_TEXT_MAX - 1);
	rest = s.text = alloc_string(text);
	if (!rest)
		return -ENOMEM;
	err = read_target(&s, next_word(&rest));
	while (!err && rest) {
		if (n == (int)ARRAY_SIZE(seen))
			err = error_set(EINVAL, "device spec: more than %d keys", n);
		else
			err = spec_read_key(&s, next_word(&rest), seen, n++);
	}
	if (!err)
		err = check_together(&s);
	s.config.iommu = s.iommu;
	s.config.policy = s.untrusted ? POLICY_STRICT : s.policy;
	s.config.ram = s.ram;
	if (err)
		spec_free(&s);
	else
		*spec = s;
	return err;
}

void spec_free(struct spec *spec)
{
	model_put(spec->model);
	spec->model = NULL;
	alloc_free(spec->text);
	spec->text = NULL;
}
