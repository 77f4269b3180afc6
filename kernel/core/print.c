/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's printf: the conversions of C and %pM %pm %pI4 %pI6 %ps %pS %pf %pe %pad %pa %pr %*ph
 * %pV. Linux: Documentation/core-api/printk-formats.rst.
 */
#include "core.h"
#include <linux/slab.h>

struct print_out {
	char *buf;
	size_t size, n;
};

static void print_char(struct print_out *o, char c)
{
	if (o->n + 1 < o->size)
		o->buf[o->n] = c;
	o->n++;
}

static void print_string(struct print_out *o, const char *s, int width, int precision, bool left)
{
	int n = 0;

	if ((unsigned long)s < 4096)
		s = "(null)";
	while ((precision < 0 || n < precision) && s[n])
		n++;
	for (int i = n; !left && i < width; i++)
		print_char(o, ' ');
	for (int i = 0; i < n; i++)
		print_char(o, s[i]);
	for (int i = n; left && i < width; i++)
		print_char(o, ' ');
}

struct print_number {
	unsigned int base;
	int width, precision;
	bool left, zero, sign, space, upper, alt, negative;
};

static void print_number(struct print_out *o, u64 v, const struct print_number *f)
{
	const char *digits = f->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[72], prefix[3];
	int n = 0, p = 0, zeros;

	do {
		text[n++] = digits[v % f->base];
		v /= f->base;
	} while (v);
	if (f->negative)
		prefix[p++] = '-';
	else if (f->sign || f->space)
		prefix[p++] = f->sign ? '+' : ' ';
	if (f->alt && f->base == 16) {
		prefix[p++] = '0';
		prefix[p++] = f->upper ? 'X' : 'x';
	}
	zeros = f->precision > n ? f->precision - n : 0;
	if (f->zero && !f->left && f->precision < 0 && f->width > n + p)
		zeros = f->width - n - p;
	for (int i = n + p + zeros; !f->left && i < f->width; i++)
		print_char(o, ' ');
	for (int i = 0; i < p; i++)
		print_char(o, prefix[i]);
	for (int i = 0; i < zeros; i++)
		print_char(o, '0');
	for (int i = n; i; i--)
		print_char(o, text[i - 1]);
	for (int i = n + p + zeros; f->left && i < f->width; i++)
		print_char(o, ' ');
}

static void print_hex(struct print_out *o, u64 v, int width, bool alt)
{
	print_number(
		o, v,
		&(struct print_number){
			.base = 16, .width = width, .precision = -1, .zero = true, .alt = alt});
}

static void print_bytes(struct print_out *o, const u8 *p, int n, char separator)
{
	for (int i = 0; i < n; i++) {
		if (i && separator)
			print_char(o, separator);
		print_hex(o, p[i], 2, false);
	}
}

/* Prints %pI4, %pI6, %pI6c and the same with i. Returns the number of characters after %p. */
static int print_address(struct print_out *o, const char *f, const u8 *b)
{
	if (f[1] == '6') {
		for (int i = 0; i < 16; i += 2) {
			if (i)
				print_char(o, ':');
			print_bytes(o, b + i, 2, 0);
		}
		return f[2] == 'c' ? 3 : 2;
	}
	for (int i = 0; i < 4; i++) {
		if (i)
			print_char(o, '.');
		print_number(o, b[i], &(struct print_number){.base = 10, .precision = -1});
	}
	return 2;
}

/* Prints what follows %p. Returns the number of characters of the format that it used. */
static int print_pointer(struct print_out *o, const char *f, const void *p, int width)
{
	static const char separators[] = {['C'] = ':', ['D'] = '-', ['N'] = 0};
	const u8 *b = p;

	switch (*f) {
	case 'M':
	case 'm':
		print_bytes(o, b, 6, *f == 'M' ? ':' : 0);
		return 1;
	case 'I':
	case 'i':
		return print_address(o, f, b);
	case 'h':
		print_bytes(o, b, width > 0 && width <= 64 ? width : 1,
			    (u8)f[1] < sizeof(separators) &&
					    (f[1] == 'C' || f[1] == 'D' || f[1] == 'N')
				    ? separators[(u8)f[1]]
				    : ' ');
		return f[1] == 'C' || f[1] == 'D' || f[1] == 'N' ? 2 : 1;
	case 'e':
		if (IS_ERR(p))
			print_number(o, (u64)-PTR_ERR(p),
				     &(struct print_number){
					     .base = 10, .precision = -1, .negative = true});
		else
			print_hex(o, (u64)p, 0, true);
		return 1;
	case 'a':
		print_hex(o, *(const u64 *)p, 18, true);
		return f[1] == 'd' || f[1] == 'p' ? 2 : 1;
	case 'V': {
		const struct va_format {
			const char *fmt;
			va_list *va;
		} *v = p;
		va_list copy;

		va_copy(copy, *v->va);
		o->n += (size_t)kmod_vsnprintf(o->n < o->size ? o->buf + o->n : NULL,
					       o->n < o->size ? o->size - o->n : 0, v->fmt, copy);
		va_end(copy);
		return 1;
	}
	default:
		print_hex(o, (u64)p, 16, false);
		return *f == 's' || *f == 'S' || *f == 'f' || *f == 'x' || *f == 'K' || *f == 'r' ||
		       *f == 'R' || *f == 'b';
	}
}

static const char *print_flags(const char *f, struct print_number *n, va_list *args)
{
	for (;; f++) {
		if (*f == '-')
			n->left = true;
		else if (*f == '0')
			n->zero = true;
		else if (*f == '+')
			n->sign = true;
		else if (*f == ' ')
			n->space = true;
		else if (*f == '#')
			n->alt = true;
		else
			break;
	}
	if (*f == '*') {
		n->width = va_arg(*args, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		n->width = n->width * 10 + *f - '0';
	if (*f != '.')
		return f;
	n->precision = 0;
	if (*++f == '*') {
		n->precision = va_arg(*args, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		n->precision = n->precision * 10 + *f - '0';
	return f;
}

static void print_integer(struct print_out *o, struct print_number *n, char conversion, int size,
			  va_list *args)
{
	u64 v = size >= 8 ? va_arg(*args, u64) : (u64)va_arg(*args, unsigned int);

	if (conversion == 'd' || conversion == 'i') {
		s64 s = size >= 8 ? (s64)v : size == 4 ? (s32)v : size == 2 ? (s16)v : (s8)v;

		n->negative = s < 0;
		v = s < 0 ? 0 - (u64)s : (u64)s;
	} else if (size < 4) {
		v &= size == 2 ? 0xffff : 0xff;
	}
	n->base = conversion == 'x' || conversion == 'X' ? 16 : conversion == 'o' ? 8 : 10;
	n->upper = conversion == 'X';
	print_number(o, v, n);
}

int kmod_vsnprintf(char *buf, size_t size, const char *f, va_list list)
{
	struct print_out o = {buf, size > INT_MAX ? INT_MAX : size, 0};
	va_list args;

	va_copy(args, list);
	for (; *f; f++) {
		struct print_number n = {.precision = -1};
		int bytes = 4;

		if (*f != '%') {
			print_char(&o, *f);
			continue;
		}
		f = print_flags(f + 1, &n, &args);
		for (; *f == 'l' || *f == 'h' || *f == 'z' || *f == 't' || *f == 'L'; f++)
			bytes = *f == 'h' ? bytes / 2 : 8;
		if (!*f)
			break;
		if (*f == 's')
			print_string(&o, va_arg(args, const char *), n.width, n.precision, n.left);
		else if (*f == 'c')
			print_char(&o, (char)va_arg(args, int));
		else if (*f == 'p')
			f += print_pointer(&o, f + 1, va_arg(args, const void *), n.width);
		else if (*f == '%')
			print_char(&o, '%');
		else if (strchr("diuxXo", *f))
			print_integer(&o, &n, *f, bytes, &args);
	}
	va_end(args);
	if (size)
		buf[min(o.n, o.size - 1)] = 0;
	return (int)o.n;
}

int kmod_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = kmod_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

int kmod_scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = kmod_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return size ? min(n, (int)size - 1) : 0;
}

char *kasprintf(gfp_t gfp, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	kmod_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return kmod_kstrdup(text, gfp);
}

/*
 * The format begins with the level, 0 to 7. Errors and warnings are always printed, other levels
 * only with `verbose`.
 */
static int print_line(const char *prefix, const char *fmt, va_list args)
{
	static struct host_mutex lock;
	static u64 start;
	char text[1024];
	int level = 5, n;
	u64 now = host_now();

	if (fmt[0] == '\001' && fmt[1]) {
		level = fmt[1] == 'c' ? 6 : fmt[1] - '0';
		fmt += 2;
	}
	host_lock(&lock);
	if (!start)
		start = now;
	now = (now - start) / 1000;
	n = kmod_snprintf(text, sizeof(text), "[%5llu.%06llu] %s", now / 1000000, now % 1000000,
			  prefix);
	n += kmod_vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fmt, args);
	n = min(n, (int)sizeof(text) - 2);
	if (text[n - 1] != '\n')
		text[n++] = '\n';
	if (level <= kmod_option_int("loglevel", 4))
		host_write(2, text, (size_t)n);
	host_unlock(&lock);
	kmod_progressed();
	return n;
}

int _printk(const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = print_line("", fmt, args);
	va_end(args);
	return n;
}

/* Prints the level, then the device's name and the message. */
static void print_of(const char *level, const char *who, const char *name, const char *fmt,
		     va_list args)
{
	char prefix[96], line[512];

	kmod_snprintf(prefix, sizeof(prefix), "%s %s: ", who, name);
	kmod_snprintf(line, sizeof(line), "%s%s", level, fmt);
	print_line(prefix, line, args);
}

void kmod_dev_printk(const char *level, const struct device *dev, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_of(level, dev ? dev_driver_string(dev) : "", dev ? dev_name(dev) : "(null)", fmt,
		 args);
	va_end(args);
}

void kmod_print_named(const char *level, const char *who, const char *name, const char *fmt,
		      va_list args)
{
	print_of(level, who, name, fmt, args);
}

void print_hex_dump(const char *level, const char *prefix, int type, int rowsize, int groupsize,
		    const void *buf, size_t len, bool ascii)
{
	for (size_t i = 0; i < len; i += (size_t)rowsize)
		_printk("%s%s%*ph\n", level, prefix, (int)min(len - i, (size_t)rowsize),
			(const u8 *)buf + i);
}
