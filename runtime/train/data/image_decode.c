/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNG and JPEG files as bytes of one or three channels. */
#include "runtime/train/data/data.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

/* A picture of this many pixels is larger than any that one trains with, and fits the memory. */
enum { MAX_PIXELS = 1 << 28 };

static int fail(struct ran_rt_error *error, const char *path, const char *reason)
{
    snprintf(error->text, sizeof(error->text), "%s: %s", path, reason);
    return -1;
}

static int read_png(const char *path, FILE *file, int channels, uint8_t **out_pixels,
                    int64_t *out_height, int64_t *out_width, struct ran_rt_error *error)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_stdio(&image, file))
        return fail(error, path, image.message);
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    if ((uint64_t)image.width * image.height > MAX_PIXELS) {
        png_image_free(&image);
        return fail(error, path, "the image is too large");
    }
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    png_color black = {0, 0, 0}; /* behind what is transparent */
    if (!pixels || !png_image_finish_read(&image, &black, pixels, 0, NULL)) {
        png_image_free(&image);
        free(pixels);
        return fail(error, path, pixels ? image.message : "out of memory");
    }
    *out_pixels = pixels;
    *out_height = image.height;
    *out_width = image.width;
    return 0;
}

typedef struct jpeg_failure {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} jpeg_failure;

static void jpeg_fail(j_common_ptr common)
{
    jpeg_failure *failure = (jpeg_failure *)common->err;
    common->err->format_message(common, failure->text);
    longjmp(failure->back, 1);
}

/* Damage that libjpeg would only warn of, and paint over in grey, is an error here. */
static void jpeg_message(j_common_ptr common, int level)
{
    if (level < 0)
        jpeg_fail(common);
}

typedef struct jpeg_reader {
    struct jpeg_decompress_struct info;
    jpeg_failure failure;
    uint8_t *pixels;
} jpeg_reader;

static void decode_jpeg(jpeg_reader *reader, FILE *file, int channels)
{
    struct jpeg_decompress_struct *info = &reader->info;
    jpeg_stdio_src(info, file);
    jpeg_read_header(info, TRUE);
    info->out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    info->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(info);
    size_t row = (size_t)info->output_width * (size_t)channels;
    if ((uint64_t)info->output_width * info->output_height <= MAX_PIXELS)
        reader->pixels = malloc(row * info->output_height);
    while (reader->pixels && info->output_scanline < info->output_height) {
        JSAMPROW line = reader->pixels + info->output_scanline * row;
        jpeg_read_scanlines(info, &line, 1);
    }
    if (reader->pixels)
        jpeg_finish_decompress(info);
}

/* False after a jump back; apart from the caller, whose variables a jump would clobber. */
static bool guarded_decode(jpeg_reader *reader, FILE *file, int channels)
{
    if (setjmp(reader->failure.back))
        return false;
    jpeg_create_decompress(&reader->info);
    decode_jpeg(reader, file, channels);
    return true;
}

static int read_jpeg(const char *path, FILE *file, int channels, uint8_t **out_pixels,
                     int64_t *out_height, int64_t *out_width, struct ran_rt_error *error)
{
    jpeg_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return fail(error, path, "out of memory");
    reader->info.err = jpeg_std_error(&reader->failure.manager);
    reader->failure.manager.error_exit = jpeg_fail;
    reader->failure.manager.emit_message = jpeg_message;
    bool decoded = guarded_decode(reader, file, channels);
    bool read = decoded && reader->pixels;
    *out_pixels = read ? reader->pixels : NULL;
    *out_height = reader->info.output_height;
    *out_width = reader->info.output_width;
    if (!decoded)
        free(reader->pixels);
    if (!read)
        fail(error, path, decoded ? "the image is too large" : reader->failure.text);
    jpeg_destroy_decompress(&reader->info);
    free(reader);
    return read ? 0 : -1;
}

int ran_image_read(const char *path, int channels, uint8_t **out_pixels, int64_t *out_height,
                   int64_t *out_width, struct ran_rt_error *error)
{
    static const uint8_t png[] = {0x89, 'P', 'N', 'G'}, jpeg[] = {0xff, 0xd8, 0xff};
    uint8_t magic[4] = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(error, path, strerror(errno));
    int result;
    size_t got = fread(magic, 1, sizeof(magic), file);
    rewind(file);
    if (got == 4 && !memcmp(magic, png, sizeof(png)))
        result = read_png(path, file, channels, out_pixels, out_height, out_width, error);
    else if (got == 4 && !memcmp(magic, jpeg, sizeof(jpeg)))
        result = read_jpeg(path, file, channels, out_pixels, out_height, out_width, error);
    else
        result = fail(error, path, "neither PNG nor JPEG");
    fclose(file);
    return result;
}
