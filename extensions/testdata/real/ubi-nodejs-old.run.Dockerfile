FROM paketocommunity/run-nodejs-16-ubi-base
