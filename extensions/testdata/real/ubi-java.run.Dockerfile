FROM paketocommunity/run-java-17-ubi-base
