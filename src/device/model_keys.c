/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of a model's keys. The library parses them, so that every model has the same syntax
 * and the same error messages.
 */
#include "base/error.h"
#include "base/math.h"
#include "device/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const key_types[] = {
	[DMAMAP_MODEL_STRING] = "string", [DMAMAP_MODEL_BOOL] = "0 or 1",
	[DMAMAP_MODEL_U64] = "number",	  [DMAMAP_MODEL_SIZE] = "size",
	[DMAMAP_MODEL_ENUM] = "choice",	  [DMAMAP_MODEL_FILE] = "file",
};

/* Decimal or 0x, with K, M, G or T if `suffix`. */
int model_number(const char *text, bool suffix, u64 *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned int shift = 0;
	char *end;
	u64 v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	if (suffix && *end && (unit = strchr(units, toupper((unsigned char)*end)))) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (*end || v > UINT64_MAX >> shift)
		return -EINVAL;
	*out = v << shift;
	return 0;
}

int model_key_find(const struct dmamap_model_ops *model, const char *name)
{
	for (u32 i = 0; i < model->n_keys; i++)
		if (!strcmp(model->keys[i].name, name))
			return (int)i;
	return -1;
}

const char *model_key_type(u32 type)
{
	return type < ARRAY_SIZE(key_types) ? key_types[type] : NULL;
}

static int model_bad_value(const struct dmamap_model_ops *model, const struct dmamap_model_key *key,
			   const char *text, const char *wanted)
{
	return error_set(EINVAL, "device spec: sim:%s cannot have %s=%s: the value must be %s",
			 model->name, key->name, text, wanted);
}

static int model_parse_number(const struct dmamap_model_ops *model,
			      const struct dmamap_model_key *key, const char *text, u64 *out)
{
	const bool size = key->type == DMAMAP_MODEL_SIZE;
	const u64 most = key->most ? key->most : UINT64_MAX;
	u64 v;

	if (!model_number(text, size, &v) && v >= key->least && v <= most) {
		*out = v;
		return 0;
	}
	return error_set(EINVAL,
			 "device spec: sim:%s cannot have %s=%s: the value must be a %s from %llu "
			 "to %llu",
			 model->name, key->name, text,
			 size ? "size such as 64K, 2M or 1G" : "number",
			 (unsigned long long)key->least, (unsigned long long)most);
}

static int model_parse_choice(const struct dmamap_model_ops *model,
			      const struct dmamap_model_key *key, const char *text, u64 *out)
{
	char wanted[160] = "one of";
	size_t used = strlen(wanted);

	for (u64 i = 0; key->choices[i]; i++) {
		if (!strcmp(key->choices[i], text)) {
			*out = i;
			return 0;
		}
		if (used + strlen(key->choices[i]) + 2 < sizeof(wanted)) {
			wanted[used++] = ' ';
			strcpy(wanted + used, key->choices[i]);
			used += strlen(key->choices[i]);
		}
	}
	return model_bad_value(model, key, text, wanted);
}

static int model_parse_string(const struct dmamap_model_ops *model,
			      const struct dmamap_model_key *key, const char *text)
{
	const size_t len = strlen(text);
	const u64 most = key->most ? key->most : SIZE_MAX;

	if (len >= key->least && len <= most)
		return 0;
	return error_set(
		EINVAL,
		"device spec: sim:%s cannot have %s=%.64s: the text must have %llu to %llu "
		"characters",
		model->name, key->name, text, (unsigned long long)key->least,
		(unsigned long long)most);
}

int model_value_parse(const struct dmamap_model_ops *model, int key, const char *text,
		      struct dmamap_model_value *value)
{
	const struct dmamap_model_key *k = &model->keys[key];
	u64 number = 0;
	int err = 0;

	if (k->type == DMAMAP_MODEL_BOOL) {
		if ((*text != '0' && *text != '1') || text[1])
			err = model_bad_value(model, k, text, "0 or 1");
		number = *text == '1';
	} else if (k->type == DMAMAP_MODEL_U64 || k->type == DMAMAP_MODEL_SIZE) {
		err = model_parse_number(model, k, text, &number);
	} else if (k->type == DMAMAP_MODEL_ENUM) {
		err = model_parse_choice(model, k, text, &number);
	} else if (k->type == DMAMAP_MODEL_STRING) {
		err = model_parse_string(model, k, text);
	} else if (!*text) {
		err = model_bad_value(model, k, text, "the path of a file");
	}
	if (!err)
		*value = (struct dmamap_model_value){text, number, true};
	return err;
}

/* model_check() has parsed each default, so no default is wrong here. */
void model_values_default(const struct dmamap_model_ops *model, struct dmamap_model_value *values)
{
	for (u32 i = 0; i < model->n_keys; i++) {
		values[i] = (struct dmamap_model_value){0};
		if (model->keys[i].default_value)
			(void)model_value_parse(model, (int)i, model->keys[i].default_value,
						&values[i]);
		values[i].given = false;
	}
}
